import { limits } from '@tributary/schema';
import fc from 'fast-check';
import { FieldFault } from './client-fields.ts';
import { anEvent, collectOne, now, refusalOf, secretKey } from './collector.testing.ts';
import { correctTime, parseTime } from './times.ts';

const day = 86_400_000;

describe('parseTime', () => {
  it.each([
    ['2026-11-24T10:00:00Z', Date.UTC(2026, 10, 24, 10)],
    ['2026-11-24T10:00:00.123456Z', Date.UTC(2026, 10, 24, 10, 0, 0, 123)],
    ['2026-11-24 10:00:00', Date.UTC(2026, 10, 24, 10)],
    ['2026-11-24T10:00:00+05:30', Date.UTC(2026, 10, 24, 4, 30)],
    ['2026-11-24T10:00:00-0200', Date.UTC(2026, 10, 24, 12)],
    ['2026-11-24', Date.UTC(2026, 10, 24)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    [now, now],
    [now / 1_000, now],
    [String(now), now],
    [String(now / 1_000), now],
    [now + 0.9, now],
  ])('takes %p', (value, expected) => {
    expect(parseTime(value, 'occurred_at')).toBe(expected);
  });

  it.each([
    ['2026-02-31'],
    ['2025-02-29T00:00:00Z'],
    ['2026-13-01'],
    ['2026-11-24T25:00:00Z'],
    ['yesterday'],
    ['24.11.2026'],
    [true],
    [{}],
    [-1],
    [1e18],
    [Number.NaN],
    ['1764000000000000'],
  ])('refuses %p', (value) => {
    expect(parseTime(value, 'occurred_at')).toBeInstanceOf(FieldFault);
  });

  it.each([[undefined], [null], ['']])('takes %p for absent', (value) => {
    expect(parseTime(value, 'occurred_at')).toBeUndefined();
  });

  it('reads back what toISOString writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (ms) => {
        expect(parseTime(new Date(ms).toISOString(), 'occurred_at')).toBe(ms);
      }),
    );
  });
});

describe('correctTime', () => {
  it('never gives a time over one hour ahead, and is off by the skew only', () => {
    const times = fc.integer({ min: now - 40 * day, max: now + 2 * day });
    fc.assert(
      fc.property(times, fc.option(times, { nil: undefined }), fc.boolean(), (clientTime, sentAt, mayBackfill) => {
        const time = correctTime(clientTime, sentAt, now, mayBackfill);
        if (time instanceof FieldFault) return;
        expect(time.occurredAt).toBeLessThanOrEqual(now + limits.futureMs);
        expect(time.occurredAt - clientTime).toBe(time.skewMs);
        expect(time.skewMs).toBe(sentAt === undefined ? 0 : now - sentAt);
      }),
    );
  });
});

describe('the time of an event', () => {
  it('is corrected by received − sent, and says so', () => {
    const event = collectOne({ batch: [anEvent({ occurred_at: now - 7_000 })], sent_at: now - 5_000 });
    expect(event).toMatchObject({
      occurred_at: now - 2_000,
      sent_at: now - 5_000,
      received_at: now,
      clock_skew_ms: 5_000,
      flags: ['skew_corrected'],
    });
  });

  it("prefers the event's own sending time to the batch's", () => {
    const event = collectOne({ batch: [anEvent({ sent_at: now - 1_000 })], sent_at: now - 5_000 });
    expect(event).toMatchObject({ sent_at: now - 1_000, clock_skew_ms: 1_000 });
  });

  it('is true again for a phone whose clock is a year ahead', () => {
    const ahead = now + 365 * day;
    expect(collectOne(anEvent({ occurred_at: ahead - 3_000, sent_at: ahead }))).toMatchObject({
      occurred_at: now - 3_000,
      clock_skew_ms: -365 * day,
    });
  });

  it('is the time of receipt where the client tells none', () => {
    expect(collectOne(anEvent({ occurred_at: undefined }))).toMatchObject({
      occurred_at: now,
      flags: ['no_client_time'],
    });
  });

  it('may be an hour ahead, not more', () => {
    expect(collectOne(anEvent({ occurred_at: now + 3_600_000 })).occurred_at).toBe(now + 3_600_000);
    expect(refusalOf(anEvent({ occurred_at: now + 3_600_001 }))).toEqual({
      code: 'BAD_TIMESTAMP',
      field: 'occurred_at',
    });
  });

  it('stays true when late, with a flag', () => {
    expect(collectOne(anEvent({ occurred_at: now - day })).flags).toEqual([]);
    expect(collectOne(anEvent({ occurred_at: now - day - 1 }))).toMatchObject({
      occurred_at: now - day - 1,
      flags: ['late'],
    });
  });

  it('may be 30 days old for a write key, older for a secret key', () => {
    const old = anEvent({ occurred_at: now - 30 * day - 1 });
    expect(collectOne(anEvent({ occurred_at: now - 30 * day })).flags).toEqual(['late']);
    expect(refusalOf(old)).toEqual({ code: 'BAD_TIMESTAMP', field: 'occurred_at' });
    const authorization = `Bearer ${secretKey}`;
    expect(collectOne(old, { authorization }).flags).toEqual(['late', 'backfill']);
    const ancient = anEvent({ occurred_at: now - limits.secretKeyMaxAgeMs - 1 });
    expect(refusalOf(ancient, { authorization }).code).toBe('BAD_TIMESTAMP');
  });

  it.each([
    ['occurred_at', 'soon'],
    ['sent_at', 'soon'],
    ['install_begin_at', 'soon'],
  ])('is refused where %s is no time', (field, value) => {
    expect(refusalOf(anEvent({ [field]: value }))).toEqual({ code: 'BAD_TIMESTAMP', field });
  });
});
