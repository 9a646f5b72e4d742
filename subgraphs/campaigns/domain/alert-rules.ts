import type { AlertRule, AnomalyRule, ThresholdRule } from '@tributary/schema';

/** What is known of an alert before a look. */
export interface AlertStanding {
  readonly firing: boolean;
  /** Epoch ms; null = never. */
  readonly lastFiredAt: number | null;
}

export interface Judgement {
  /** What to do: `fire` tells people; `hold` and `clear` change or keep the state without a word. */
  readonly verdict: 'fire' | 'hold' | 'clear';
  /** The bound that was or would be crossed. */
  readonly bound: number;
  /** Robust z-score; null for thresholds and for too little history. */
  readonly score: number | null;
}

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
const weekMs = 7 * dayMs;

/** Minutes by which a zone's clocks are ahead of UTC at a time, in ms. */
function offsetMs(atMs: number, timezone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(atMs);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return local - Math.floor(atMs / 1_000) * 1_000;
}

/**
 * The window to look at: whole minutes, ended `delayMinutes` ago. SPEND comes by the day: whole days of the zone, as UTC
 * midnights of the days' names.
 */
export function windowOf(rule: AlertRule, nowMs: number, timezone: string): Window {
  if (rule.metric === 'SPEND') {
    const localDay = Math.floor((nowMs + offsetMs(nowMs, timezone) - rule.delayMinutes * minuteMs) / dayMs) * dayMs;
    return { fromMs: localDay - rule.windowMinutes * minuteMs, toMs: localDay };
  }
  const toMs = Math.floor((nowMs - rule.delayMinutes * minuteMs) / minuteMs) * minuteMs;
  return { fromMs: toMs - rule.windowMinutes * minuteMs, toMs };
}

/** The same weekday and local time of the weeks before, newest first: across a change of clocks it stays the same hour. */
export function historyWindows(rule: AnomalyRule, window: Window, timezone: string): readonly Window[] {
  return Array.from({ length: rule.historyWeeks }, (_, index) => {
    const shift = (index + 1) * weekMs;
    if (rule.metric === 'SPEND') return { fromMs: window.fromMs - shift, toMs: window.toMs - shift };
    const toMs = window.toMs - shift;
    const turned = offsetMs(window.toMs, timezone) - offsetMs(toMs, timezone);
    return { fromMs: window.fromMs - shift + turned, toMs: toMs + turned };
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Fewer weeks than this with anything at all say nothing about what is usual. */
export const leastHistory = 3;

/**
 * How unlike its history a value is, in robust standard deviations (Iglewicz and Hoaglin's modified z-score: 1.4826 × MAD
 * estimates σ). The scale is never below the noise of a count of that size (√median) nor below 1, so that a steady history
 * doesn't make a difference of two installs an anomaly. Null with fewer than 3 weeks of history.
 */
export function robustScore(
  value: number,
  history: readonly number[],
): { score: number; middle: number; scale: number } | null {
  if (history.length < leastHistory) return null;
  const middle = median(history);
  const mad = median(history.map((one) => Math.abs(one - middle)));
  const scale = Math.max(1.4826 * mad, Math.sqrt(Math.abs(middle)), 1);
  return { score: (value - middle) / scale, middle, scale };
}

/** `fire` only out of a quiet state and after the cool-down; a state that goes on is held; `clear` within the hysteresis. */
function settle(
  standing: AlertStanding,
  rule: AlertRule,
  nowMs: number,
  over: boolean,
  right: boolean,
): Judgement['verdict'] {
  if (standing.firing) return right ? 'clear' : 'hold';
  if (!over) return 'clear';
  const cooling = standing.lastFiredAt !== null && nowMs - standing.lastFiredAt < rule.cooldownMinutes * minuteMs;
  return cooling ? 'clear' : 'fire';
}

export function judgeThreshold(rule: ThresholdRule, standing: AlertStanding, value: number, nowMs: number): Judgement {
  const { threshold, direction, hysteresis } = rule;
  const margin = Math.abs(threshold) * hysteresis;
  const over = direction === 'ABOVE' ? value > threshold : value < threshold;
  const right = direction === 'ABOVE' ? value <= threshold - margin : value >= threshold + margin;
  return { verdict: settle(standing, rule, nowMs, over, right), bound: threshold, score: null };
}

export function judgeAnomaly(
  rule: AnomalyRule,
  standing: AlertStanding,
  value: number,
  history: readonly number[],
  nowMs: number,
): Judgement {
  const found = robustScore(value, history);
  // Too little is known to fire; what fires already is held rather than cleared for lack of history.
  if (!found) return { verdict: standing.firing ? 'hold' : 'clear', bound: value, score: null };
  const { score, middle, scale } = found;
  const reach = (bound: number) =>
    rule.direction === 'ABOVE'
      ? score >= bound
      : rule.direction === 'BELOW'
        ? score <= -bound
        : Math.abs(score) >= bound;
  const right = !reach(rule.sensitivity * (1 - rule.hysteresis));
  const bound = middle + Math.sign(score || 1) * rule.sensitivity * scale;
  return { verdict: settle(standing, rule, nowMs, reach(rule.sensitivity), right), bound, score };
}
