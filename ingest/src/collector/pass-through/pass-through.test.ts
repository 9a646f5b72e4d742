import fc from 'fast-check';
import { buildBlocks } from '../blocks.ts';
import { textFields } from '../client-fields.ts';
import {
  aDirectory,
  anApp,
  anEvent,
  aRequest,
  aSnapshot,
  linesOf,
  now,
  secretKey,
  writeKey,
} from '../collector.testing.ts';
import { type CollectorOutcome, type CollectorRequest, createCollectorCore } from '../core.ts';
import { createEnrichment } from '../enrich/enrichment.ts';
import { createPassThrough, type PassThrough } from './pass-through.ts';

const geo = {
  find: (address: string) =>
    address === '203.0.113.77'
      ? null
      : { country: 'DE', region: 'Thüringen', city: address === '192.0.2.1' ? 'Jena' : null },
  source: 'test',
  builtAt: new Date(0),
};
const agents = [
  null,
  'okhttp/4',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1',
  'Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Pro Build/UQ1A.240205.004)',
];

/** Both ways over one directory; the short one counts what it took. */
function bothWays(snapshot = aSnapshot()) {
  const enrichment = createEnrichment({ geo });
  const directory = aDirectory(snapshot);
  const passThrough = createPassThrough();
  let passed = 0;
  const counting: PassThrough = (body, origin) => {
    const result = passThrough(body, origin);
    if (result !== null) passed += 1;
    return result;
  };
  const long = createCollectorCore({ directory, enrichment, passThrough: null });
  const short = createCollectorCore({ directory, enrichment, passThrough: counting });
  return {
    passed: () => passed,
    long: (request: CollectorRequest) => seen(long.handle(request)),
    short: (request: CollectorRequest) => seen(short.handle(request)),
  };
}

/** Everything that a request leads to, but for what is made by chance (ids of blocks, letters and events without one). */
function seen(outcome: CollectorOutcome) {
  if (outcome.kind !== 'store') return outcome;
  const { lines, deadLetters, response } = outcome;
  const blocks = buildBlocks([{ lines, deadLetters: [] }], 1, now, Number.MAX_SAFE_INTEGER);
  const made = (text: string) =>
    text
      .replace(/"block_id":"[^"]*"/g, '"block_id":""')
      .replace(/evt_[0-9A-Za-z_-]+/g, 'evt_')
      .replace(/("event_id":"evt_".*"dedupe_hash":")[^"]*/, '$1');
  return {
    status: response.status,
    headers: response.headers,
    answer: made(response.body),
    lines: blocks.flatMap(linesOf).map(made),
    hashes: blocks.map(({ header }) => [header.payloadHashes, /evt_/.test(response.body) || header.dedupeHashes]),
    touched: blocks.map(({ header }) => header.touched),
    letters: deadLetters.map((letter) => ({ ...letter, dead_letter_id: '' })),
  };
}

const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    '',
    'a',
    'DE',
    'de',
    'EUR',
    'production',
    'purchase',
    '0',
    '00000000-0000',
    '4.99',
    '2026-11-24T11:59:00Z',
  ),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e21, 1e-7, 0.1, 4.99, -1.5, 1_764_000_000_000, 1_764_000_000, now - 60_000, now + 9e9),
);
const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null));
const key = fc.oneof(fc.constantFrom('level', 'a', 'b', '__proto__', '1', '2', 'Ünï'), fc.string({ maxLength: 8 }));
const { value: deep } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 5 }),
  ),
}));
const fieldName = fc.constantFrom(
  ...Object.keys(textFields),
  'event_kind',
  'environment',
  'country',
  'revenue_amount',
  'revenue_currency',
  'sent_at',
  'install_begin_at',
  'app_id',
  'ip',
  'received_at',
  'writeKey',
  'unknown_field',
  '__proto__',
);
const event = fc
  .record(
    {
      event_name: fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom('purchase', 'level_complete', 'install', 'Ünï', 'toString') },
        { weight: 1, arbitrary: scalar },
      ),
      event_id: fc.oneof({ weight: 9, arbitrary: fc.uuid() }, { weight: 1, arbitrary: scalar }),
      anonymous_id: fc.oneof({ weight: 9, arbitrary: fc.uuid() }, { weight: 1, arbitrary: scalar }),
      occurred_at: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: now - 40 * 86_400_000, max: now + 7_200_000 }) },
        {
          weight: 3,
          arbitrary: fc.stringMatching(/^20(24|26|25)-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-5]\d(\.\d{1,4})?Z$/),
        },
        { weight: 1, arbitrary: scalar },
      ),
      properties: fc.oneof(
        { weight: 9, arbitrary: fc.dictionary(key, deep, { maxKeys: 6 }) },
        { weight: 1, arbitrary: deep },
      ),
    },
    { requiredKeys: ['event_name'] },
  )
  .chain((base) => fc.dictionary(fieldName, scalar, { maxKeys: 5 }).map((more) => ({ ...more, ...base })));

const cleanText = fc.stringMatching(/^[A-Za-z0-9 äöü大🎲_.-]{1,16}$/u);
const cleanName = fc.stringMatching(/^[a-z][A-Za-z0-9 äö]{0,6}$/);
const cleanNumber = fc.oneof(
  fc.integer(),
  fc.integer({ min: -99_999, max: 99_999 }).map((cents) => cents / 100),
);
const { value: cleanValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    cleanText,
    cleanNumber,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(cleanName, tie('value'), { maxKeys: 3 }),
  ),
}));
const cleanEvent = fc
  .record(
    {
      event_name: fc.constantFrom('purchase', 'level_complete', 'install', 'Ünï', 'toString'),
      event_id: fc.oneof(fc.uuid(), cleanText),
      anonymous_id: fc.uuid(),
      occurred_at: fc.oneof(
        fc.integer({ min: now - 20 * 86_400_000, max: now + 3_000_000 }),
        fc.integer({ min: now - 20 * 86_400_000, max: now + 3_000_000 }).map((ms) => new Date(ms).toISOString()),
      ),
      sent_at: fc.integer({ min: now - 60_000, max: now + 60_000 }),
      country: fc.constantFrom('DE', 'us'),
      revenue_amount: fc.oneof(fc.constantFrom('4.99', '0.5', '-3', '1.10'), cleanNumber),
      idfa: fc.constantFrom('00000000-0000-0000-0000-000000000000', '38400000-8cf0-11bd-b23e-10b96e40000d'),
      properties: fc.dictionary(cleanName, cleanValue, { maxKeys: 6 }),
    },
    { requiredKeys: ['event_name', 'event_id', 'anonymous_id'] },
  )
  .chain((base) =>
    fc
      .dictionary(fc.constantFrom(...Object.keys(textFields).filter((name) => name !== 'user_agent')), cleanText, {
        maxKeys: 4,
      })
      .map((more) => ({ ...more, ...base })),
  );

/** As different clients write JSON: compact or with blanks, whole numbers as they are or as decimals, members in any order. */
const written = fc.record({
  indent: fc.constantFrom(undefined, 1, '\t'),
  bom: fc.nat(9).map((chance) => chance === 0),
  twice: fc.nat(9).map((chance) => chance === 0),
});
const bodyOf = (event: fc.Arbitrary<object>) =>
  fc.oneof(
    event.map((one): unknown => one),
    fc.array(event, { maxLength: 4 }),
    fc.record(
      { batch: fc.array(event, { maxLength: 4 }), sent_at: fc.oneof(number, text) },
      { requiredKeys: ['batch'] },
    ),
    fc.record({ sent_at: fc.oneof(fc.constant(now - 5), number, text), batch: fc.array(event, { maxLength: 4 }) }),
  );
const body = fc.oneof(bodyOf(cleanEvent), bodyOf(event), bodyOf(fc.oneof({ weight: 4, arbitrary: cleanEvent }, event)));

describe('clean native events', () => {
  it('become the same lines, hashes and answers on the short way as on the long one', () => {
    const ways = bothWays();
    fc.assert(
      fc.property(
        body,
        written,
        fc.record({
          authorization: fc.constantFrom(`Bearer ${writeKey}`, `Bearer ${secretKey}`),
          remoteAddress: fc.constantFrom('203.0.113.77', '192.0.2.1', '2001:db8::1', null),
          userAgent: fc.constantFrom(...agents),
        }),
        (value, { indent, bom, twice }, sender) => {
          let json = JSON.stringify(value, null, indent);
          // A name said twice: the last one wins.
          if (twice) json = json.replace('"event_name"', '"locale":"de","event_name"');
          if (bom) json = `\ufeff${json}`;
          const request = aRequest(json, sender);
          expect(ways.short(request)).toEqual(ways.long(request));
        },
      ),
      { numRuns: Number(process.env['TRIBUTARY_TEST_RUNS'] ?? 3_000) },
    );
    expect(ways.passed()).toBeGreaterThan(500);
  });

  it('become the same on both ways though their bytes were damaged', () => {
    const ways = bothWays();
    const whole = JSON.stringify({
      batch: [anEvent(), anEvent({ event_id: 'e-2', country: 'de', gaid: '0000-00' })],
      sent_at: now,
    });
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.constantFrom(...'{}[]:,"0-.eE \n\u0000x'),
        fc.boolean(),
        (at, byte, inserted) => {
          const request = aRequest(whole.slice(0, at) + byte + whole.slice(inserted ? at : at + 1));
          expect(ways.short(request)).toEqual(ways.long(request));
        },
      ),
      { numRuns: Number(process.env['TRIBUTARY_TEST_RUNS'] ?? 3_000) },
    );
  });

  it.each<[string, Record<string, unknown>]>([
    ['plain', {}],
    ['with money', { revenue_amount: 4.99, revenue_currency: 'usd' }],
    ['with money in the currency of the app', { revenue_amount: '4.99' }],
    ['with a place and a system', { country: 'de', region: 'Bayern', platform: 'android', os_version: '15' }],
    ['with a time as text', { occurred_at: '2026-11-24T11:59:00.000Z' }],
    ['without a time', { occurred_at: undefined }],
    ['with nested properties', { properties: { a: [1, { b: null }, 'x'], c: { d: true }, e: -1.5 } }],
    ['with characters beyond ASCII', { event_name: 'Käse', properties: { größe: '大' } }],
    ['with an advertising id of zeros', { idfa: '00000000-0000-0000-0000-000000000000' }],
  ])('%s go the short way', (_, overrides) => {
    const ways = bothWays();
    const request = aRequest(anEvent(overrides));
    expect(ways.short(request)).toEqual(ways.long(request));
    expect(ways.passed()).toBe(1);
  });

  it.each<[string, Record<string, unknown>]>([
    ['that need escaping', { properties: { text: 'a "quoted" one' } }],
    ['without an id', { event_id: undefined }],
    ['with a field that has no home', { mood: 'good' }],
    ['with a number as an id', { user_id: 7 }],
    ['with a number that a double does not hold', { properties: { id: 2 ** 60 } }],
    ['with whole numbers as names', { properties: { 2: 'b', 1: 'a' } }],
    ['with a fault', { country: 'Germany' }],
    ['that claim what the server makes', { received_at: 1 }],
  ])('%s go the long way', (_, overrides) => {
    const ways = bothWays();
    const request = aRequest(anEvent(overrides));
    expect(ways.short(request)).toEqual(ways.long(request));
    expect(ways.passed()).toBe(0);
  });

  it('may be many, short ones and long ones', () => {
    const ways = bothWays();
    const short = Array.from({ length: 2_000 }, (_, index) => ({
      event_name: 'e',
      event_id: `${index}`,
      user_id: 'u',
    }));
    const long = Array.from({ length: 12 }, (_, index) =>
      anEvent({
        event_id: `${index}`,
        properties: { text: '{":'.replace('"', '').repeat(40_000), list: Array(50).fill('x') },
      }),
    );
    for (const batch of [short, long, short.slice(0, 300)])
      expect(ways.short(aRequest({ batch }))).toEqual(ways.long(aRequest({ batch })));
    expect(ways.passed()).toBe(3);
    const tooMany = aRequest([...short, anEvent()]);
    expect(ways.short(tooMany)).toEqual(ways.long(tooMany));
    expect(ways.passed()).toBe(3);
  });

  it('go the long way where the app filters, hashes or asks for consent', () => {
    for (const intake of [
      { hashDeviceIds: true },
      { consentPolicy: 'require' },
      { blockedEvents: ['level_complete'] },
    ]) {
      const whole = {
        consentPolicy: 'record',
        hashDeviceIds: false,
        webOrigins: [],
        blockedEvents: [],
        blockedIps: [],
        blockedUserAgents: [],
        sampling: [],
        iosAppIds: [],
        androidApps: [],
      } as const;
      const ways = bothWays(aSnapshot({ apps: [anApp({ intake: { ...whole, ...intake } as never })] }));
      const request = aRequest(anEvent({ gaid: 'g-1' }));
      expect(ways.short(request)).toEqual(ways.long(request));
      expect(ways.passed()).toBe(0);
    }
  });
});
