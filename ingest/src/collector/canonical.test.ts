import { deviceIdFields, eventSchema, hash64, hex64, limits, serverMadeFields } from '@tributary/schema';
import fc from 'fast-check';
import { formedFields, textFields } from './client-fields.ts';
import {
  anApp,
  anEvent,
  aRequest,
  aSnapshot,
  collect,
  collectOne,
  now,
  refusalOf,
  secretKey,
} from './collector.testing.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 300 });
const anyValue = fc.oneof(anyText, fc.jsonValue({ maxDepth: 2 }), fc.double({ noNaN: true }), fc.constant(''));
const fieldNames = [...Object.keys(textFields), ...formedFields, ...serverMadeFields, 'mood', '__proto__'];

/** Events as clients might send them: mostly well, with any field of any type among them. */
const anyEvent = fc
  .tuple(
    fc.dictionary(fc.constantFrom(...fieldNames), anyValue, { maxKeys: 12 }),
    fc.record(
      {
        event_name: fc.string({ minLength: 1, maxLength: 50 }),
        anonymous_id: fc.string({ minLength: 1, maxLength: 50, unit: 'grapheme' }),
        occurred_at: fc.integer({ min: now - 31 * 86_400_000, max: now + 4_000_000 }),
        sent_at: fc.integer({ min: now - 10_000, max: now + 10_000 }),
        revenue_amount: fc.constantFrom('4.99', 1, 0.5, '-3'),
        properties: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 })),
      },
      { requiredKeys: ['event_name', 'anonymous_id'] },
    ),
    fc.boolean(),
  )
  .map(([any, well, isWell]) => (isWell ? { ...any, ...well } : { ...well, ...any }));

describe('every line', () => {
  it('is an event by the schema, whatever the client sends, and each event has one verdict', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 5 }), (batch) => {
        const { status, events, deadLetters, answer } = collect(aRequest({ batch }, { userAgent: 'Agent/1 "é' }));
        expect(status).toBe(200);
        // `collect` parses each line by eventSchema.
        expect(events.length + deadLetters.length).toBe(batch.length);
        expect(answer['accepted']).toBe(events.length);
        expect(answer['rejected']).toHaveLength(deadLetters.length);
      }),
      { numRuns: 500 },
    );
  });

  it('takes what only the collector may say from the collector alone', () => {
    const lies = fc.record(
      Object.fromEntries(serverMadeFields.filter((name) => name !== 'app_id').map((name) => [name, anyValue])),
    );
    const honest = collectOne(anEvent());
    fc.assert(
      fc.property(lies, (lie) => {
        const { block_id: _, ...told } = collectOne(anEvent(lie));
        expect(told).toEqual({ ...told, ...honest, block_id: undefined });
      }),
      { numRuns: 100 },
    );
  });

  it('names tenant, app, format and the time of receipt', () => {
    expect(collectOne(anEvent())).toMatchObject({
      tenant_id: 'ten_1',
      app_id: 'app_1',
      source_format: 'native',
      received_at: now,
      event_id: 'e-1',
      device_key: 'a-1',
      block_index: 0,
    });
  });

  it('holds no field that is absent', () => {
    const event = collectOne(anEvent({ properties: undefined }), { remoteAddress: null });
    const defaults = ['clock_skew_ms', 'flags', 'environment', 'properties'];
    const given = ['event_name', 'event_id', 'event_kind', 'anonymous_id', 'occurred_at'];
    const made = serverMadeFields.filter((name) => !defaults.includes(name));
    expect(Object.keys(event).sort()).toEqual([...defaults, ...given, ...made].sort());
  });
});

describe('hashes', () => {
  it('are of app, format and event id', () => {
    const event = collectOne(anEvent({ event_id: 'é-1' }));
    expect(event.dedupe_hash).toBe(hex64(hash64('app_1\u001fnative\u001fé-1')));
  });

  it('are of the id as stored where a lone surrogate was replaced', () => {
    const event = collectOne(String.raw`{"event_name":"x","event_id":"\ud800","user_id":"u"}`);
    expect(event.dedupe_hash).toBe(hex64(hash64('app_1\u001fnative\u001f\ufffd')));
  });

  it('are equal for a resend with another sending time, from another address, in another body', () => {
    const event = anEvent({ url: 'https://example.com/ä', properties: { b: 1, a: 'x' } });
    const first = collectOne({ batch: [event], sent_at: now - 5_000 });
    const escapes = JSON.stringify({ ...event, sent_at: now - 9_000 }).replace('a-1', String.raw`\u0061-1`);
    const again = collectOne(escapes, {
      receivedAt: now + 60_000,
      remoteAddress: '198.51.100.1',
      userAgent: 'Other/2',
    });
    expect(again.occurred_at).not.toBe(first.occurred_at);
    expect([again.dedupe_hash, again.payload_hash]).toEqual([first.dedupe_hash, first.payload_hash]);
  });

  it('do not depend on the order of the canonical fields', () => {
    const event = anEvent({ platform: 'ios', network: 'acme' });
    const turned = Object.fromEntries(Object.entries(event).reverse());
    expect(collectOne(turned).payload_hash).toBe(collectOne(event).payload_hash);
  });

  it.each([
    ['occurred_at', now - 60_001],
    ['properties', { level: 4 }],
    ['network', 'acme'],
    ['event_name', 'level_failed'],
    ['revenue_amount', '1'],
  ])('differ where %s does', (field, value) => {
    const [one, other] = [collectOne(anEvent()), collectOne(anEvent({ [field]: value }))];
    expect(other.dedupe_hash).toBe(one.dedupe_hash);
    expect(other.payload_hash).not.toBe(one.payload_hash);
  });
});

describe('an event without an id', () => {
  const withoutId = anEvent({ event_id: undefined });

  it('gets the same id when it is sent again with its time', () => {
    const one = collectOne({ ...withoutId, sent_at: now - 1_000 });
    const again = collectOne({ ...withoutId, sent_at: now - 900 }, { receivedAt: now + 5_000 });
    expect(one.event_id).toMatch(/^gen_[0-9a-f]{32}$/);
    expect(again.event_id).toBe(one.event_id);
    expect(one.flags).toContain('generated_id');
  });

  it('gets another id where anything else differs', () => {
    const ids = [withoutId, { ...withoutId, occurred_at: now - 1 }, { ...withoutId, properties: {} }].map(
      (event) => collectOne(event).event_id,
    );
    expect(new Set(ids).size).toBe(3);
  });

  it('gets a random id where it tells no time: its repeats may count twice', () => {
    const timeless = { ...withoutId, occurred_at: undefined };
    const [one, again] = [collectOne(timeless), collectOne(timeless)];
    expect(one.event_id).toMatch(/^evt_/);
    expect(again.event_id).not.toBe(one.event_id);
    expect(one.flags).toEqual(['no_client_time', 'generated_id']);
  });

  it('learns its id from the answer', () => {
    const { answer, events } = collect(aRequest(withoutId));
    expect(answer['event_ids']).toEqual([events[0]!.event_id]);
  });
});

describe('the subject', () => {
  const ids = { anonymous_id: 'a', idfv: 'v', gaid: 'g', idfa: 'f', android_id: 'n', user_id: 'u' };

  it('is anonymous_id, else the first device id, else user_id', () => {
    const order = ['anonymous_id', ...deviceIdFields, 'user_id'] as const;
    const left: Record<string, string> = { ...ids };
    for (const field of order) {
      expect(collectOne({ event_name: 'x', ...left }).device_key).toBe(ids[field]);
      delete left[field];
    }
    expect(refusalOf({ event_name: 'x' })).toEqual({ code: 'SUBJECT_MISSING', field: '' });
  });

  it('is never the id of zeros that a phone without tracking gives', () => {
    const zeros = '00000000-0000-0000-0000-000000000000';
    expect(refusalOf({ event_name: 'x', idfa: zeros })).toEqual({ code: 'SUBJECT_MISSING', field: '' });
    const event = collectOne({ event_name: 'x', gaid: zeros, idfa: zeros, user_id: 'u' });
    expect(event.device_key).toBe('u');
    expect(event).not.toHaveProperty('gaid');
  });
});

describe('an address', () => {
  const events = (ipPolicy: 'keep' | 'truncate' | 'drop', authorization?: string) =>
    collect(
      aRequest(anEvent({ ip: '198.51.100.9' }), authorization ? { authorization } : {}),
      aSnapshot({ apps: [anApp({ ipPolicy })] }),
    ).events[0];

  it('is kept, truncated or dropped as the app says', () => {
    expect(events('keep')?.ip).toBe('203.0.113.77');
    expect(events('truncate')?.ip).toBe('203.0.113.0');
    expect(events('drop')).not.toHaveProperty('ip');
  });

  it('is believed of servers only', () => {
    const authorization = `Bearer ${secretKey}`;
    expect(events('keep', authorization)?.ip).toBe('198.51.100.9');
    expect(events('truncate', authorization)?.ip).toBe('198.51.100.0');
    expect(events('drop', authorization)).not.toHaveProperty('ip');
  });
});

describe('the user agent', () => {
  it("is the request's unless the event tells one", () => {
    const userAgent = 'Game/4.2 (Android 15; Pixel 9; "é")';
    expect(collectOne(anEvent(), { userAgent }).user_agent).toBe(userAgent);
    expect(collectOne(anEvent({ user_agent: '' }), { userAgent }).user_agent).toBe(userAgent);
    expect(collectOne(anEvent({ user_agent: 'Own/1' }), { userAgent }).user_agent).toBe('Own/1');
    expect(collectOne(anEvent(), { userAgent: 'x'.repeat(2_000) }).user_agent).toHaveLength(1_000);
  });
});

describe('an event over the limit', () => {
  it('is refused alone, and its dead letter keeps what fits', () => {
    const big = anEvent({ event_id: 'big', properties: { text: 'x'.repeat(limits.eventBytes) } });
    const { answer, events, deadLetters } = collect(aRequest({ batch: [big, anEvent()] }));
    expect(events.map(({ event_id }) => event_id)).toEqual(['e-1']);
    expect(answer['rejected']).toMatchObject([{ index: 0, id: 'big', code: 'SIZE_VIOLATION' }]);
    expect(deadLetters[0]!.payload).toHaveLength(65_536);
  });

  it('is weighed in bytes, not in characters', () => {
    const event = anEvent({ properties: { text: 'ä'.repeat(600_000) } });
    expect(refusalOf(event).code).toBe('SIZE_VIOLATION');
  });
});

it("refuses an event that names another app than its key's", () => {
  expect(refusalOf(anEvent({ app_id: 'app_2' }))).toEqual({ code: 'UNKNOWN_APP', field: 'app_id' });
  expect(collectOne(anEvent({ app_id: 'app_1' })).app_id).toBe('app_1');
});

it.each([[undefined], [''], [7], ['x'.repeat(201)]])('refuses the event name %p', (event_name) => {
  expect(refusalOf(anEvent({ event_name }))).toEqual({ code: 'EVENT_NAME_MISSING', field: 'event_name' });
});

it('knows the fields of the schema', () => {
  expect(Object.keys(eventSchema.shape)).toEqual(expect.arrayContaining([...serverMadeFields]));
});
