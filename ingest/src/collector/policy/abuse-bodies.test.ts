import { limits, serverMadeFields } from '@tributary/schema';
import { anEvent, aRequest, collect, collectOne, now, refusalOf, secretKey } from '../collector.testing.ts';
import { freeName } from '../properties.ts';

/** The whole answer of a body that is no batch of events at all. */
const codeOf = (body: string | Uint8Array): string => {
  const { status, answer } = collect(aRequest('', { body: typeof body === 'string' ? Buffer.from(body) : body }));
  return `${status} ${(answer['error'] as { code: string } | undefined)?.code ?? 'ok'}`;
};
const raw = (members: string) =>
  `{"event_name":"x","event_id":"e-1","anonymous_id":"a-1","occurred_at":${now}${members}}`;

describe('fields that only the server makes', () => {
  it.each(serverMadeFields.filter((name) => name !== 'app_id'))(
    'are the server’s, whatever a client says: %s',
    (name) => {
      const honest = collectOne(anEvent());
      for (const lie of ['forged', 7, ['bot'], { a: 1 }]) {
        const told = collectOne(anEvent({ [name]: lie }));
        expect({ ...told, block_id: '' }).toEqual({ ...honest, block_id: '' });
      }
    },
  );

  it('are no properties either', () => {
    expect(collectOne(anEvent({ tenant_id: 'ten_2', flags: ['bot'] })).properties).toBe('{"level":3}');
  });

  it('that name another app get the event refused, not moved', () => {
    expect(refusalOf(anEvent({ app_id: 'app_2' }))).toEqual({ code: 'UNKNOWN_APP', field: 'app_id' });
  });
});

describe('names that objects have of themselves', () => {
  it('are names like others: __proto__, constructor, toString', () => {
    const event = collectOne(
      raw(',"__proto__":{"admin":true},"constructor":1,"toString":"x","properties":{"__proto__":[1]}'),
    );
    // The properties had one of that name already, so that the one beside them steps back.
    expect(event.properties).toBe('{"__proto__":[1],"___proto__":{"admin":true},"constructor":1,"toString":"x"}');
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('give no field to an event that lacks it', () => {
    expect(refusalOf('{"__proto__":{"event_name":"x","anonymous_id":"a"}}').code).toBe('EVENT_NAME_MISSING');
    expect(refusalOf('{"event_name":"x","__proto__":{"anonymous_id":"a"}}').code).toBe('SUBJECT_MISSING');
  });

  it('do not change a batch or its key', () => {
    expect(codeOf('{"__proto__":{"batch":[{"event_name":"x","anonymous_id":"a"}]}}')).toBe('200 ok');
    expect(collect(aRequest('{"__proto__":{"batch":[{"event_name":"x","anonymous_id":"a"}]}}')).events).toEqual([]);
    expect(collect(aRequest('{"__proto__":{"write_key":"trk_write_test"}}', { authorization: undefined })).status).toBe(
      401,
    );
  });
});

describe('duplicate names', () => {
  it('are one: the last stands, in the event and in its properties, and the line has it once', () => {
    const event = collectOne(raw(',"event_name":"y","platform":"ios","platform":"android","properties":{"a":1,"a":2}'));
    expect(event).toMatchObject({ event_name: 'y', platform: 'android', properties: '{"a":2}' });
  });

  it('can’t smuggle a field past its check', () => {
    expect(refusalOf(raw(',"app_id":"app_1","app_id":"app_2"')).code).toBe('UNKNOWN_APP');
    expect(collectOne(raw(',"tenant_id":"a","tenant_id":"b"')).tenant_id).toBe('ten_1');
  });
});

describe('deep JSON', () => {
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it(`is taken down to ${limits.jsonDepth} levels and refused below, alone`, () => {
    expect(collectOne(raw(`,"properties":${nested(limits.jsonDepth)}`)).properties).toContain('1}');
    const batch = `{"batch":[${raw(`,"properties":${nested(limits.jsonDepth + 1)}`)},${raw('').replace('e-1', 'e-2')}]}`;
    const { answer, events } = collect(aRequest(batch));
    expect(answer['rejected']).toMatchObject([{ index: 0, code: 'SCHEMA_VIOLATION', field: 'properties' }]);
    expect(events.map(({ event_id }) => event_id)).toEqual(['e-2']);
  });

  it.each([
    ['arrays', '['],
    ['objects', '{"a":'],
  ])('of a million %s is answered, not crashed on', (_, opening) => {
    expect(codeOf(opening.repeat(1_000_000))).toBe('400 BODY_UNPARSABLE');
    const closing = opening === '[' ? ']' : '}';
    const { status, answer } = collect(
      aRequest(raw(`,"properties":{"deep":${opening.repeat(5_000)}1${closing.repeat(5_000)}}`)),
    );
    expect([status, (answer['rejected'] as unknown[]).length]).toEqual([200, 1]);
  });
});

describe('a hundred thousand names in properties', () => {
  const names = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x${index.toString(36)}`, 0]));
  const countOf = (properties: string) => Object.keys(JSON.parse(properties) as object).length;

  it('are over the size that one event may have, which is refused alone', () => {
    const { answer, events, deadLetters } = collect(
      aRequest({ batch: [anEvent({ properties: names(100_000) }), anEvent({ event_id: 'e-2' })] }),
    );
    expect(answer['rejected']).toMatchObject([{ index: 0, code: 'SIZE_VIOLATION' }]);
    expect([events.length, deadLetters.length]).toEqual([1, 1]);
  });

  it('within that size are kept, every one, beside each other at the top too', () => {
    expect(countOf(collectOne(anEvent({ properties: names(70_000) })).properties)).toBe(70_000);
    expect(countOf(collectOne({ ...anEvent(), ...names(70_000) }).properties)).toBe(70_001);
  });

  it('that collide with those of the properties are all kept, each under a name of its own', () => {
    const properties = { mood: 1, _mood: 2, __mood: 3 };
    expect(collectOne({ ...anEvent({ properties }), mood: 4 }).properties).toBe(
      '{"mood":1,"_mood":2,"__mood":3,"___mood":4}',
    );
  });
});

describe('names of underscores', () => {
  const chain = Array.from({ length: 500 }, (_, length) => `${'_'.repeat(length)}m`);

  it('each find a place of their own', () => {
    const members = Object.fromEntries(chain.map((name) => [name, 1]));
    const { properties } = collectOne({ ...anEvent({ properties: members }), ...members });
    expect(Object.keys(JSON.parse(properties) as object)).toEqual([
      ...chain,
      ...chain.map((name) => '_'.repeat(chain.length) + name),
    ]);
  });

  it('are walked once, not once for each', () => {
    let questions = 0;
    class Asked extends Set<string> {
      override has(name: string): boolean {
        questions += 1;
        return super.has(name);
      }
    }
    const taken = new Asked(chain);
    const next = new Map<string, string>();
    for (const name of chain) freeName(name, taken, next);
    // Walking each to the end would ask 250,000 times.
    expect(questions).toBeLessThan(5 * chain.length);
  });
});

describe('text that is no text', () => {
  it.each([
    ['a byte that begins nothing', [0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf5, 0x80, 0x80, 0x80]],
  ])('as UTF-8 is refused as a whole: %s', (_, bytes) => {
    const [head, tail] = raw(',"platform":"#"').split('#') as [string, string];
    const body = Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)]);
    expect(codeOf(body)).toBe('400 BODY_UNPARSABLE');
  });

  it('as an escaped lone surrogate becomes U+FFFD, in names too', () => {
    const event = collectOne(raw(String.raw`,"platform":"a\ud800","properties":{"\udc00":"\ud83d"}`));
    expect([event.platform, event.properties]).toEqual(['a\ufffd', '{"\ufffd":"\ufffd"}']);
  });

  it('as control characters is kept, escaped', () => {
    const event = collectOne(raw(String.raw`,"platform":"a\u0000b\n","properties":{"\u0007":"\u001f"}`));
    expect([event.platform, JSON.parse(event.properties)]).toEqual(['a\0b\n', { '\u0007': '\u001f' }]);
  });

  it('can’t end its line in the log', () => {
    const { events } = collect(
      aRequest({ batch: [anEvent({ platform: 'x"}\n{"tenant_id":"ten_2' }), anEvent({ event_id: 'e-2' })] }),
    );
    expect(events.map(({ tenant_id }) => tenant_id)).toEqual(['ten_1', 'ten_1']);
  });
});

describe('numbers beyond what a double holds', () => {
  it('keep every digit, as ids and in properties', () => {
    const event = collectOne(
      raw(',"user_id":9007199254740993,"properties":{"id":12345678901234567890,"in":[18446744073709551615]}'),
    );
    expect([event.user_id, event.properties]).toEqual([
      '9007199254740993',
      '{"id":12345678901234567890,"in":[18446744073709551615]}',
    ]);
  });

  it('as money are refused where a double would have changed them', () => {
    expect(refusalOf(raw(',"revenue_amount":0.1234567890123456789')).field).toBe('revenue_amount');
    expect(refusalOf(raw(',"revenue_amount":1e400')).field).toBe('revenue_amount');
    expect(collectOne(raw(',"revenue_amount":"123456789012345678.123456"')).revenue_amount).toBe(
      '123456789012345678.123456',
    );
  });

  it('are no times', () => {
    for (const time of ['1e308', '-1', '99999999999999999999', '1e-7', '"NaN"', '"Infinity"', '[]', '{}', 'true'])
      expect([time, refusalOf(`{"event_name":"x","anonymous_id":"a","occurred_at":${time}}`).code]).toEqual([
        time,
        'BAD_TIMESTAMP',
      ]);
  });
});

describe('time travel', () => {
  const at = (occurredAt: number, overrides = {}) => anEvent({ occurred_at: occurredAt, ...overrides });

  it('over an hour ahead is refused', () => {
    expect(collectOne(at(now + limits.futureMs)).occurred_at).toBe(now + limits.futureMs);
    expect(refusalOf(at(now + limits.futureMs + 1)).code).toBe('BAD_TIMESTAMP');
  });

  it('over 30 days back needs a secret key, and five years back nobody goes', () => {
    const secret = { authorization: `Bearer ${secretKey}` };
    expect(refusalOf(at(now - limits.writeKeyMaxAgeMs - 1)).code).toBe('BAD_TIMESTAMP');
    expect(collect(aRequest(at(now - limits.writeKeyMaxAgeMs - 1), secret)).events[0]!.flags).toContain('backfill');
    expect(refusalOf(at(now - limits.secretKeyMaxAgeMs - 1), secret).code).toBe('BAD_TIMESTAMP');
  });

  it('by a sending time in the future or far past is bounded the same way', () => {
    expect(refusalOf(at(now - 1_000, { sent_at: now - 40 * 86_400_000 })).code).toBe('BAD_TIMESTAMP');
    expect(refusalOf(at(now - 1_000, { sent_at: now + 40 * 86_400_000 })).code).toBe('BAD_TIMESTAMP');
  });
});
