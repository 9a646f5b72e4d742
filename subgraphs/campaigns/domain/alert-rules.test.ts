import { type AlertRule, type AnomalyRule, alertRuleSchema, type ThresholdRule } from '@tributary/schema';
import fc from 'fast-check';
import { historyWindows, judgeAnomaly, judgeThreshold, median, robustScore, windowOf } from './alert-rules.ts';

const minute = 60_000;
const hour = 60 * minute;
const base = { metric: 'INSTALLS', windowMinutes: 60 } as const;
const aRule = <T extends AlertRule>(rule: object) => alertRuleSchema.parse({ ...base, ...rule }) as T;
const above = aRule<ThresholdRule>({ kind: 'THRESHOLD', direction: 'ABOVE', threshold: 100, hysteresis: 0.1 });
const below = aRule<ThresholdRule>({ kind: 'THRESHOLD', direction: 'BELOW', threshold: 100, hysteresis: 0.1 });
const odd = aRule<AnomalyRule>({ kind: 'ANOMALY', sensitivity: 4, hysteresis: 0.25 });
const quiet = { firing: false, lastFiredAt: null };
const firing = { firing: true, lastFiredAt: 0 };

describe('a threshold', () => {
  it.each([
    ['fires above its bound', above, quiet, 101, 'fire'],
    ['is quiet at its bound', above, quiet, 100, 'clear'],
    ['fires below its bound', below, quiet, 99, 'fire'],
    ['goes on within the hysteresis', above, firing, 95, 'hold'],
    ['goes on within the hysteresis from below', below, firing, 105, 'hold'],
    ['is over beyond the hysteresis', above, firing, 90, 'clear'],
    ['is over beyond the hysteresis from below', below, firing, 110, 'clear'],
    ['says nothing twice', above, firing, 200, 'hold'],
  ] as const)('%s', (_title, rule, standing, value, verdict) => {
    expect(judgeThreshold(rule, standing, value, 10 * hour).verdict).toBe(verdict);
  });

  it('is silent during its cool-down, and fires after it', () => {
    const cooled = { firing: false, lastFiredAt: 5 * hour };
    expect(judgeThreshold(above, cooled, 200, 6 * hour - 1).verdict).toBe('clear');
    expect(judgeThreshold(above, cooled, 200, 6 * hour).verdict).toBe('fire');
  });
});

describe('an anomaly', () => {
  const history = [100, 104, 96, 102, 98, 101, 99, 100];

  it('fires for what is unlike its history, on either side', () => {
    expect(judgeAnomaly(odd, quiet, 100, history, 0).verdict).toBe('clear');
    expect(judgeAnomaly(odd, quiet, 150, history, 0)).toMatchObject({ verdict: 'fire', bound: 140, score: 5 });
    expect(judgeAnomaly(odd, quiet, 50, history, 0)).toMatchObject({ verdict: 'fire', bound: 60, score: -5 });
  });

  it('fires on its own side only', () => {
    const more = aRule<AnomalyRule>({ kind: 'ANOMALY', direction: 'ABOVE' });
    expect(judgeAnomaly(more, quiet, 0, history, 0).verdict).toBe('clear');
    expect(judgeAnomaly(more, quiet, 200, history, 0).verdict).toBe('fire');
  });

  it('is not misled by one wild week', () => {
    expect(judgeAnomaly(odd, quiet, 150, [...history.slice(1), 10_000], 0).verdict).toBe('fire');
  });

  it('does not take a steady small history for certainty', () => {
    expect(judgeAnomaly(odd, quiet, 3, [1, 1, 1, 1], 0).verdict).toBe('clear');
    expect(judgeAnomaly(odd, quiet, 6, [1, 1, 1, 1], 0).verdict).toBe('fire');
  });

  it('says nothing with fewer than three weeks, and holds what fires', () => {
    expect(judgeAnomaly(odd, quiet, 10_000, [1, 1], 0)).toMatchObject({ verdict: 'clear', score: null });
    expect(judgeAnomaly(odd, firing, 10_000, [1, 1], 0).verdict).toBe('hold');
  });

  it('goes on until it is well within the bound', () => {
    expect(judgeAnomaly(odd, firing, 135, history, 0).verdict).toBe('hold');
    expect(judgeAnomaly(odd, firing, 125, history, 0).verdict).toBe('clear');
  });

  it('scores whatever the order of its history', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 3, maxLength: 26 }),
        fc.integer(),
        (past, value) => {
          expect(robustScore(value, [...past].reverse())).toEqual(robustScore(value, past));
        },
      ),
    );
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});

describe('windows', () => {
  it('are whole minutes that ended a while ago', () => {
    const now = Date.parse('2026-11-24T12:00:40Z');
    expect(windowOf(above, now, 'UTC')).toEqual({
      fromMs: Date.parse('2026-11-24T10:58:00Z'),
      toMs: Date.parse('2026-11-24T11:58:00Z'),
    });
  });

  it('of spend are whole days of the zone', () => {
    const rule = aRule<AlertRule>({
      kind: 'THRESHOLD',
      direction: 'ABOVE',
      threshold: 1,
      metric: 'SPEND',
      windowMinutes: 1_440,
    });
    // It is still the 23rd in New York.
    expect(windowOf(rule, Date.parse('2026-11-24T04:00:00Z'), 'America/New_York')).toEqual({
      fromMs: Date.parse('2026-11-22T00:00:00Z'),
      toMs: Date.parse('2026-11-23T00:00:00Z'),
    });
  });

  it('of the weeks before are the same local time, across a change of clocks', () => {
    const window = { fromMs: Date.parse('2026-11-03T14:00:00Z'), toMs: Date.parse('2026-11-03T15:00:00Z') };
    const [first, second] = historyWindows(odd, window, 'America/New_York');
    // 9:00 in New York: 14:00 UTC in winter, 13:00 UTC before November 1st.
    expect(new Date(first?.fromMs ?? 0).toISOString()).toBe('2026-10-27T13:00:00.000Z');
    expect(new Date(second?.toMs ?? 0).toISOString()).toBe('2026-10-20T14:00:00.000Z');
    expect(historyWindows(odd, window, 'UTC')[0]?.fromMs).toBe(Date.parse('2026-10-27T14:00:00Z'));
  });
});

describe('rules', () => {
  it.each([
    ['spend by the hour', { kind: 'THRESHOLD', direction: 'ABOVE', threshold: 1, metric: 'SPEND', windowMinutes: 60 }],
    ['a threshold on both sides', { kind: 'THRESHOLD', direction: 'BOTH', threshold: 1 }],
    ['a threshold without a bound', { kind: 'THRESHOLD', direction: 'ABOVE' }],
    ['a window of a minute', { kind: 'ANOMALY', windowMinutes: 1 }],
  ])('are refused: %s', (_title, rule) => {
    expect(alertRuleSchema.safeParse({ ...base, ...rule }).success).toBe(false);
  });
});
