import { formatDuration, formatEnum, formatMoney, formatShare } from '../../lib/format.ts';
import { mergeLive, pushSample } from './merge-live.ts';
import type { CampaignFigures, LiveMetrics, LiveRow } from './queries.ts';
import { sortCampaigns } from './sort-campaigns.ts';

const money = (amount: string) => ({ amount, currency: 'USD' });
const row = (id: string | null, installs: number): LiveRow => ({
  campaign: id ? { id, name: id } : null,
  installs,
  sessions: 0,
  revenue: money('0'),
});
const payload = (rows: LiveRow[], window: LiveMetrics['window'] = 'LAST_HOUR'): LiveMetrics => ({
  window,
  from: '',
  at: '',
  cursor: 'c',
  totals: { events: 0, installs: 0, sessions: 0, revenue: money('0'), eventsPerSecond: 0 },
  rows,
});

describe('mergeLive', () => {
  it('replaces the rows that a payload holds and keeps the others', () => {
    const merged = mergeLive(payload([row('a', 1), row(null, 4)]), payload([row('a', 3), row('b', 1)]));
    expect(merged.rows.map((item) => [item.campaign?.id ?? null, item.installs])).toEqual([
      ['a', 3],
      [null, 4],
      ['b', 1],
    ]);
  });

  it('starts again when the window changed', () => {
    expect(mergeLive(payload([row('a', 1)]), payload([row('b', 2)], 'TODAY')).rows).toHaveLength(1);
  });

  it('keeps a bounded number of samples', () => {
    expect(pushSample([1, 2, 3], 4, 3)).toEqual([2, 3, 4]);
  });
});

describe('sortCampaigns', () => {
  const campaign = (id: string, roas: number | null, installs: number): CampaignFigures => ({
    id,
    name: id,
    network: null,
    spend: money('1'),
    installs,
    revenue: money('1'),
    roas,
    credit: [],
    predictedLtv: { perInstall: null, scored: 0 },
    fraud: { rate: null, scored: 0 },
  });
  const list = [campaign('a', 1.5, 3), campaign('b', null, 9), campaign('c', 0.2, 5)];

  it('puts what is unknown last in both directions', () => {
    expect(sortCampaigns(list, 'roas', true, new Map()).map((item) => item.id)).toEqual(['a', 'c', 'b']);
    expect(sortCampaigns(list, 'roas', false, new Map()).map((item) => item.id)).toEqual(['c', 'a', 'b']);
  });

  it('sorts by live installs', () => {
    expect(sortCampaigns(list, 'live', true, new Map([['c', 2]])).map((item) => item.id)[0]).toBe('c');
  });
});

describe('format', () => {
  it('shows money by size', () => {
    expect(formatMoney(money('4.9'), 'en')).toBe('$4.90');
    expect(formatMoney(money('12345.67'), 'en')).toBe('$12,346');
    expect(formatShare(1.424, 'en')).toBe('142%');
  });

  it.each([
    [5, '5 s'],
    [1.25, '1.3 s'],
    [95, '1 min 35 s'],
    [8300, '2 h 18 min'],
    [200_000, '2 d 7 h'],
    [-90, '−1 min 30 s'],
  ])('shows %d seconds as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('shows enum values as words', () => {
    expect(formatEnum('CLICK_DEVICE_ID')).toBe('Click, device id');
    expect(formatEnum('ORGANIC')).toBe('Organic');
  });
});
