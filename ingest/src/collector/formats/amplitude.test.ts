import { CodedError } from '@tributary/schema';
import fc from 'fast-check';
import { aRequest, collect, now, writeKey } from '../collector.testing.ts';
import { refusalFor } from '../core.ts';
import { productOf } from './amplitude.ts';

const anEvent = (overrides: Record<string, unknown> = {}) => ({
  event_type: 'level_complete',
  user_id: 'u-1',
  insert_id: 'i-1',
  time: now - 5_000,
  ...overrides,
});
const bodyOf = (...events: unknown[]) => ({ api_key: writeKey, events });
const send = (body: unknown, path = '/2/httpapi') => collect(aRequest(body, { path, authorization: undefined }));

it.each([['/2/httpapi'], ['/batch']])('takes a batch on %s, and says its code in the body', (path) => {
  const body = { ...bodyOf(anEvent()), client_upload_time: new Date(now - 1_000).toISOString() };
  const { status, answer, events } = send(body, path);
  expect([status, answer]).toEqual([
    200,
    { code: 200, events_ingested: 1, payload_size_bytes: JSON.stringify(body).length, server_upload_time: now },
  ]);
  expect(events[0]).toMatchObject({ source_format: 'amplitude', occurred_at: now - 4_000, clock_skew_ms: 1_000 });
});

describe('a batch with bad events', () => {
  it('names them by field and index, and the rest is stored', () => {
    const { status, answer, events, deadLetters } = send(
      bodyOf(
        anEvent(),
        anEvent({ insert_id: 'i-2', time: 'soon' }),
        anEvent({ insert_id: 'i-3', user_id: undefined }),
        anEvent({ insert_id: 'i-4', event_type: '' }),
        7,
      ),
    );
    expect(status).toBe(400);
    expect(answer).toMatchObject({
      code: 400,
      events_with_invalid_fields: { time: [1], event: [4] },
      events_with_missing_fields: { user_id: [2], event_type: [3] },
      events_ingested: 1,
    });
    expect(answer).not.toHaveProperty('missing_field');
    expect([events.length, deadLetters.length]).toEqual([1, 4]);
  });

  it('is answered as taken where sending the rest again would count twice', () => {
    const { answer, deadLetters } = send(bodyOf({ event_type: 'e', user_id: 'u' }, 7));
    expect([answer['code'], deadLetters.length]).toEqual([200, 1]);
  });
});

describe('a refusal', () => {
  const refuse = (
    code: 'RATE_LIMITED' | 'PAYLOAD_TOO_LARGE' | 'LOG_UNAVAILABLE' | 'UNSUPPORTED_ENCODING',
    body: unknown = '',
  ) => {
    const { status, body: text } = refusalFor(new CodedError(code), aRequest(body, { path: '/2/httpapi' }));
    return { status, ...(JSON.parse(text) as Record<string, unknown>) };
  };

  it('of a throttled key names every event, for which the SDK waits longer', () => {
    expect(refuse('RATE_LIMITED', bodyOf(1, 2, 3))).toMatchObject({
      status: 429,
      code: 429,
      throttled_events: [0, 1, 2],
    });
  });

  it('before the body was read has its code in the body too', () => {
    expect(refuse('PAYLOAD_TOO_LARGE')).toMatchObject({ status: 413, code: 413 });
    expect(refuse('LOG_UNAVAILABLE')).toMatchObject({ status: 503, code: 503 });
    expect(refuse('UNSUPPORTED_ENCODING')).toMatchObject({ code: 415, missing_field: 'events' });
  });

  it('of a wrong key is final to the SDK', () => {
    expect(send({ api_key: 'wrong', events: [anEvent()] })).toMatchObject({
      status: 401,
      answer: { code: 401, missing_field: 'api_key', error: expect.stringContaining('UNAUTHENTICATED') },
    });
  });

  it.each([['{'], ['[]'], ['{}'], ['{"events":7}'], ['{"events":[]}']])(
    'of the body %p says what is missing',
    (body) => {
      expect(send(body).answer).toMatchObject({ code: 400, missing_field: 'events' });
    },
  );
});

describe('revenue', () => {
  const revenue = (fields: Record<string, unknown>) => send(bodyOf(anEvent(fields))).events[0]!.revenue_amount;

  it('is price times quantity, as decimals', () => {
    expect(revenue({ price: 0.1, quantity: 3 })).toBe('0.3');
    expect(revenue({ event_properties: { $price: '19.99', $quantity: 2 } })).toBe('39.98');
    expect(revenue({ price: 'cheap', quantity: 3 })).toBeUndefined();
    expect(revenue({ revenue: 7, price: 1, quantity: 1 })).toBe('7');
  });

  it('is exact for every pair', () => {
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 9n), 10n ** 9n), fc.bigInt(0n, 10_000n), (cents, quantity) => {
        const sign = cents < 0n ? '-' : '';
        const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
        const product = productOf(`${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`, String(quantity))!;
        const [whole = '', fraction = ''] = product.replace('-', '').split('.');
        const back = BigInt(whole + fraction.padEnd(2, '0')) * (product.startsWith('-') ? -1n : 1n);
        expect(back).toBe(cents * quantity);
      }),
      { numRuns: 300 },
    );
  });
});
