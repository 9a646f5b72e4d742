import fc from 'fast-check';
import { dayStart, daysOf, isWholeHalfHours } from './calendar.ts';
import { addDecimals, foldRows, keepShownRows, windowBounds } from './live.ts';
import { bucketsOf, fillSeries } from './series.ts';
import { sliceRange } from './slices.ts';

const utc = (text: string) => Date.parse(text);

describe('days of a time zone', () => {
  it.each([
    ['UTC', '2026-11-24T15:00:00Z', '2026-11-24T00:00:00Z'],
    ['Asia/Kolkata', '2026-11-24T19:00:00Z', '2026-11-24T18:30:00Z'],
    ['America/New_York', '2026-11-24T04:59:00Z', '2026-11-23T05:00:00Z'],
    ['Pacific/Kiritimati', '2026-11-24T11:00:00Z', '2026-11-24T10:00:00Z'],
    // Midnight was skipped on this day: it began at 01:00.
    ['Africa/Cairo', '2024-04-26T12:00:00Z', '2024-04-25T22:00:00Z'],
  ])('begin where the zone says (%s at %s)', (zone, at, start) => {
    expect(new Date(dayStart(utc(at), zone)).toISOString()).toBe(new Date(start).toISOString());
  });

  it('have 23 and 25 hours where clocks change', () => {
    const march = daysOf(utc('2026-03-28T00:00:00Z'), utc('2026-03-31T00:00:00Z'), 'Europe/Berlin');
    const hours = march.slice(1).map((day, index) => (day.startMs - march[index]!.startMs) / 3_600_000);
    expect(hours).toContain(23);
    const october = daysOf(utc('2026-10-24T00:00:00Z'), utc('2026-10-27T00:00:00Z'), 'Europe/Berlin');
    expect(october.slice(1).map((day, index) => (day.startMs - october[index]!.startMs) / 3_600_000)).toContain(25);
  });

  it.each([
    ['UTC', true],
    ['Asia/Kolkata', true],
    ['America/St_Johns', true],
    // Half an hour is what clocks change by here.
    ['Australia/Lord_Howe', true],
    ['Asia/Kathmandu', false],
    ['Pacific/Chatham', false],
  ])('begin at a half hour of UTC or not (%s: %s)', (zone, whole) => {
    const range = { fromMs: utc('2026-03-01T10:20:00Z'), toMs: utc('2026-07-01T23:50:00Z') };
    expect(isWholeHalfHours(zone, range)).toBe(whole);
  });

  it('cover the range without gap', () => {
    const days = daysOf(utc('2026-11-01T07:13:00Z'), utc('2026-11-10T00:00:01Z'), 'UTC');
    expect(days.map((day) => day.date)).toEqual(
      Array.from({ length: 10 }, (_, index) => `2026-11-${String(index + 1).padStart(2, '0')}`),
    );
  });
});

describe('slices of a range', () => {
  it('are disjoint and add up to it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e10 }), fc.integer({ min: 1, max: 1e8 }), (from, span) => {
        const s = sliceRange(from, from + span, 900_000);
        expect(s.headTo - s.headFrom + s.innerTo - s.innerFrom + s.tailTo - s.tailFrom).toBe(span);
        expect(s.innerFrom % 900_000).toBe(0);
        expect(s.innerTo % 900_000).toBe(0);
        if (s.innerTo > 0) expect([s.headTo, s.tailFrom]).toEqual([s.innerFrom, s.innerTo]);
      }),
    );
  });
});

describe('series', () => {
  it('have a point per bucket, 0 where nothing was reported', () => {
    const buckets = bucketsOf(utc('2026-11-24T10:07:00Z'), utc('2026-11-24T12:30:00Z'), 'HOUR', 'UTC');
    const points = fillSeries(buckets, new Map([[String(utc('2026-11-24T11:00:00Z')), 3]]));
    expect(points.map((point) => [new Date(point.at).toISOString().slice(11, 16), point.value])).toEqual([
      ['10:00', 0],
      ['11:00', 3],
      ['12:00', 0],
    ]);
  });

  it('refuse more points than a chart shows', () => {
    expect(() => bucketsOf(0, 30 * 86_400_000, 'MINUTE', 'UTC')).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT' }),
    );
  });
});

describe('live windows', () => {
  const now = utc('2026-11-24T10:07:31.500Z');

  it.each([
    ['LAST_5_MINUTES', '2026-11-24T10:03:00.000Z'],
    ['LAST_HOUR', '2026-11-24T09:08:00.000Z'],
    ['TODAY', '2026-11-23T15:00:00.000Z'],
  ] as const)('%s begins on a whole minute and is never longer than its name', (window, from) => {
    const bounds = windowBounds(window, now, 'Asia/Tokyo');
    expect(new Date(bounds.fromMs).toISOString()).toBe(from);
    expect(new Date(bounds.toMs).toISOString()).toBe('2026-11-24T10:08:00.000Z');
  });

  const row = (campaignId: string | null, installs: number, amount = '1.5') => ({
    campaignId,
    installs,
    sessions: installs * 2,
    revenue: { amount, currency: 'EUR' },
  });

  it('fold campaigns that are not known into the unattributed row, which comes last', () => {
    const folded = foldRows([row(null, 1), row('b', 2), row('stranger', 3, '0.25'), row('a', 4)], (id) => id < 'c');
    expect(folded).toEqual([row('a', 4), row('b', 2), { ...row(null, 4, '1.75'), sessions: 8 }]);
  });

  it('keep a campaign that fell out as a row of zeros', () => {
    expect(keepShownRows([row('a', 4), row('b', 1)], [row('b', 2)])).toEqual([
      row('b', 2),
      { campaignId: 'a', installs: 0, sessions: 0, revenue: { amount: '0', currency: 'EUR' } },
    ]);
  });

  it('add decimals exactly', () => {
    const decimal = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n });
    const text = (micros: bigint) => {
      const digits = (micros < 0n ? -micros : micros).toString().padStart(7, '0');
      return `${micros < 0n ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`;
    };
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        expect(Number(addDecimals(text(a), text(b)))).toBeCloseTo(Number(a + b) / 1e6, 5);
        expect(addDecimals(text(a), text(-a))).toBe('0');
      }),
    );
  });
});
