import { limits } from '@tributary/schema';
import { anEvent, aRequest, collect, now, writeKey } from '../collector.testing.ts';

const ids = (body: unknown) => collect(aRequest(body)).events.map(({ event_id }) => event_id);
const refusal = (body: string | Uint8Array) => {
  const request = aRequest('');
  const { status, answer } = collect({ ...request, body: Buffer.from(body) });
  return [status, (answer['error'] as { code: string }).code];
};
const [one, two] = [anEvent({ event_id: '1' }), anEvent({ event_id: '2' })];

describe('a body', () => {
  it('may be one event', () => {
    expect(collect(aRequest(one)).answer).toEqual({ success: true, accepted: 1, event_ids: ['1'], rejected: [] });
  });

  it('may be a batch, an array or lines', () => {
    expect(ids({ batch: [one, two] })).toEqual(['1', '2']);
    expect(ids([one, two])).toEqual(['1', '2']);
    expect(ids(`${JSON.stringify(one)}\n${JSON.stringify(two)}\n`)).toEqual(['1', '2']);
    expect(ids(`\r\n${JSON.stringify(one)}\r\n\r\n${JSON.stringify(two)}`)).toEqual(['1', '2']);
  });

  it('may begin with a byte order mark', () => {
    expect(ids(`\ufeff${JSON.stringify(one)}`)).toEqual(['1']);
  });

  it('may hold an event with a property named batch', () => {
    const { events } = collect(aRequest({ ...one, batch: ['x'] }));
    expect(JSON.parse(events[0]!.properties)).toEqual({ level: 3, batch: ['x'] });
  });

  it.each([
    ['', 400, 'BODY_EMPTY'],
    ['  \n ', 400, 'BODY_EMPTY'],
    ['[]', 400, 'BODY_EMPTY'],
    ['{"batch":[]}', 400, 'BODY_EMPTY'],
    ['{', 400, 'BODY_UNPARSABLE'],
    ['7', 400, 'BODY_UNPARSABLE'],
    ['null', 400, 'BODY_UNPARSABLE'],
    ['<html>\n</html>', 400, 'BODY_UNPARSABLE'],
  ])('of %p is refused with %i %s', (body, status, code) => {
    expect(refusal(body)).toEqual([status, code]);
  });

  it('is refused where it is no UTF-8', () => {
    expect(refusal(Uint8Array.of(0x7b, 0xff, 0x7d))).toEqual([400, 'BODY_UNPARSABLE']);
  });

  it('holds 2,000 events at most', () => {
    const batch = (count: number) => Array.from({ length: count }, (_, index) => anEvent({ event_id: `${index}` }));
    expect(ids(batch(limits.batchEvents))).toHaveLength(2_000);
    expect(refusal(JSON.stringify(batch(limits.batchEvents + 1)))).toEqual([413, 'TOO_MANY_EVENTS']);
  });
});

describe('a key in the body', () => {
  const { authorization: _, ...request } = aRequest('');
  const send = (body: unknown) =>
    collect({ ...request, authorization: undefined, body: Buffer.from(JSON.stringify(body)) });

  it.each([['writeKey'], ['write_key']])('may be its %s, for senders that can set no header', (name) => {
    expect(send({ ...one, [name]: writeKey }).status).toBe(200);
    expect(send({ batch: [one], [name]: writeKey }).status).toBe(200);
    expect(send({ ...one, [name]: 'wrong' }).status).toBe(401);
  });

  it.each([['writeKey'], ['write_key']])('as %s is stored neither with the event nor in its dead letter', (name) => {
    const { events, deadLetters } = collect(
      aRequest({
        batch: [
          { ...one, [name]: writeKey },
          { [name]: writeKey, country: 'X' },
        ],
      }),
    );
    expect(JSON.stringify(events)).not.toContain(writeKey);
    expect(deadLetters.map(({ payload }) => payload)).toEqual(['{"country":"X"}']);
  });
});

describe('a bad event', () => {
  it('is refused alone, with its index, id and reason, and becomes a dead letter', () => {
    const bad = anEvent({ event_id: 'bad', country: 'Germany' });
    const { answer, events, deadLetters } = collect(aRequest({ batch: [one, bad, 7, two, null] }));
    expect(events.map(({ event_id }) => event_id)).toEqual(['1', '2']);
    expect(answer).toEqual({
      accepted: 2,
      event_ids: ['1', '2'],
      rejected: [
        { index: 1, id: 'bad', code: 'SCHEMA_VIOLATION', field: 'country', message: expect.any(String) },
        { index: 2, id: null, code: 'EVENT_NOT_OBJECT', field: '', message: expect.any(String) },
        { index: 4, id: null, code: 'EVENT_NOT_OBJECT', field: '', message: expect.any(String) },
      ],
    });
    expect(deadLetters[0]).toMatchObject({
      tenant_id: 'ten_1',
      app_id: 'app_1',
      stage: 'collector',
      code: 'SCHEMA_VIOLATION',
      field: 'country',
      source_format: 'native',
      event_id: 'bad',
      received_at: now,
      payload: JSON.stringify(bad),
    });
    expect(deadLetters.map(({ payload }) => payload).slice(1)).toEqual(['7', 'null']);
  });

  it('that is one of one says success: false', () => {
    const { status, answer } = collect(aRequest({}));
    expect([status, answer]).toMatchObject([200, { success: false, accepted: 0 }]);
  });

  it('may be a broken line, the last one of a cut upload', () => {
    const { events, answer, deadLetters } = collect(aRequest(`${JSON.stringify(one)}\n{"event_name":"le`));
    expect(events).toHaveLength(1);
    expect(answer['rejected']).toMatchObject([{ index: 1, code: 'EVENT_NOT_OBJECT' }]);
    expect(JSON.parse(deadLetters[0]!.payload)).toBe('{"event_name":"le');
  });
});
