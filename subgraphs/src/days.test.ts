import { daysBegunIn } from './days.ts';

const range = (from: string, to: string) => ({ fromMs: Date.parse(from), toMs: Date.parse(to) });
const dayMs = 86_400_000;

describe('days of a range', () => {
  it.each([
    ['whole days of UTC', 'UTC', '2026-11-01T00:00:00Z', '2026-11-03T00:00:00Z', '2026-11-01', '2026-11-03'],
    [
      'a day begun before the range is not in it',
      'UTC',
      '2026-11-01T00:00:00.001Z',
      '2026-11-03T00:00:00Z',
      '2026-11-02',
      '2026-11-03',
    ],
    [
      'a day begun in the range is in it whole',
      'UTC',
      '2026-11-01T00:00:00Z',
      '2026-11-03T00:00:00.001Z',
      '2026-11-01',
      '2026-11-04',
    ],
    ['no midnight, no day', 'UTC', '2026-11-01T08:00:00Z', '2026-11-01T20:00:00Z', '2026-11-02', '2026-11-02'],
    [
      'midnight west of UTC',
      'America/New_York',
      '2026-11-20T05:00:00Z',
      '2026-11-21T05:00:00Z',
      '2026-11-20',
      '2026-11-21',
    ],
    [
      'midnight east of UTC',
      'Asia/Kolkata',
      '2026-11-19T18:30:00Z',
      '2026-11-20T18:30:00Z',
      '2026-11-20',
      '2026-11-21',
    ],
    [
      'a day of 25 hours',
      'America/New_York',
      '2026-11-01T04:00:00Z',
      '2026-11-02T05:00:00Z',
      '2026-11-01',
      '2026-11-02',
    ],
    [
      'a day that begins at one o’clock',
      'Africa/Cairo',
      '2026-04-23T22:00:00Z',
      '2026-04-24T21:00:00Z',
      '2026-04-24',
      '2026-04-25',
    ],
    ['the turn of a year', 'UTC', '2026-12-31T00:00:00Z', '2027-01-02T00:00:00Z', '2026-12-31', '2027-01-02'],
  ])('%s (%s)', (_title, timezone, from, to, first, last) => {
    expect(daysBegunIn(range(from, to), timezone)).toEqual({ from: first, to: last });
  });

  it('the last 30 days of 24 hours hold 30 days, whatever the hour', () => {
    for (let hour = 0; hour < 24; hour += 1) {
      const toMs = Date.parse('2026-10-20T00:00:00Z') + hour * 3_600_000;
      const { from, to } = daysBegunIn({ fromMs: toMs - 30 * dayMs, toMs }, 'Europe/Berlin');
      expect((Date.parse(to) - Date.parse(from)) / dayMs).toBe(30);
    }
  });

  it('ranges that follow one another share no day and miss none', () => {
    const timezone = 'Australia/Lord_Howe';
    let at = Date.parse('2026-03-01T03:21:00Z');
    let last = daysBegunIn({ fromMs: at - 1, toMs: at }, timezone).to;
    for (let step = 1; step < 60; step += 1) {
      const next = at + ((step * 7_919) % 3_000) * 60_000 + 1;
      const { from, to } = daysBegunIn({ fromMs: at, toMs: next }, timezone);
      expect(from).toBe(last);
      last = to;
      at = next;
    }
  });
});
