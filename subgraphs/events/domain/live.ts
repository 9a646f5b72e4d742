import { type Money, trimDecimal } from '@tributary/schema';
import { dayStart } from './calendar.ts';

export type LiveWindow = 'LAST_5_MINUTES' | 'LAST_HOUR' | 'TODAY';

const minuteMs = 60_000;

/**
 * Bounds of a live window in whole minutes, so that the minute aggregate answers it exactly. The minute that runs counts
 * as the last one; a window is never longer than its name says. TODAY begins with the day of the app's time zone.
 */
export function windowBounds(window: LiveWindow, nowMs: number, timezone: string): { fromMs: number; toMs: number } {
  const minute = Math.floor(nowMs / minuteMs) * minuteMs;
  const toMs = minute + minuteMs;
  switch (window) {
    case 'LAST_5_MINUTES':
      return { fromMs: toMs - 5 * minuteMs, toMs };
    case 'LAST_HOUR':
      return { fromMs: toMs - 60 * minuteMs, toMs };
    case 'TODAY':
      return { fromMs: dayStart(nowMs, timezone), toMs };
  }
}

export interface LiveTotals {
  readonly events: number;
  /** Install events; reinstalls and undecided ones included. */
  readonly installs: number;
  readonly sessions: number;
  readonly revenue: Money;
  readonly eventsPerSecond: number;
}

export interface LiveRow {
  /** null = organic / unattributed */
  readonly campaignId: string | null;
  readonly installs: number;
  readonly sessions: number;
  readonly revenue: Money;
}

export interface LiveSnapshot {
  readonly appId: string;
  readonly window: LiveWindow;
  readonly from: number;
  readonly at: number;
  readonly totals: LiveTotals;
  /** Every campaign with anything in the window, and those shown before with zeros. */
  readonly rows: readonly LiveRow[];
}

/** Whether a subscriber would see a difference; the times alone are none. */
export function sameNumbers(a: LiveSnapshot, b: LiveSnapshot): boolean {
  return JSON.stringify([a.totals, a.rows]) === JSON.stringify([b.totals, b.rows]);
}

/**
 * Folds rows whose campaign is not one the tenant's directory knows into the unattributed row, and orders rows by campaign
 * id with that row last.
 */
export function foldRows(rows: readonly LiveRow[], isKnown: (campaignId: string) => boolean): readonly LiveRow[] {
  const known = rows.filter((row) => row.campaignId !== null && isKnown(row.campaignId));
  const others = rows.filter((row) => row.campaignId === null || !isKnown(row.campaignId));
  const sorted = known.toSorted((a, b) => (a.campaignId! < b.campaignId! ? -1 : 1));
  if (others.length === 0) return sorted;
  return [...sorted, others.reduce(addRows, { ...others[0]!, ...zeroOf(others[0]!), campaignId: null })];
}

/** Rows that were shown before and are gone now stay as zeros, so that a reader who merges rows is right. */
export function keepShownRows(shown: readonly LiveRow[], rows: readonly LiveRow[]): readonly LiveRow[] {
  const present = new Set(rows.map((row) => row.campaignId));
  const gone = shown.filter((row) => !present.has(row.campaignId)).map(zeroOf);
  return gone.length === 0 ? rows : [...rows, ...gone];
}

function zeroOf(row: LiveRow): LiveRow {
  return {
    campaignId: row.campaignId,
    installs: 0,
    sessions: 0,
    revenue: { amount: '0', currency: row.revenue.currency },
  };
}

function addRows(a: LiveRow, b: LiveRow): LiveRow {
  return {
    campaignId: a.campaignId,
    installs: a.installs + b.installs,
    sessions: a.sessions + b.sessions,
    revenue: { amount: addDecimals(a.revenue.amount, b.revenue.amount), currency: a.revenue.currency },
  };
}

/** Exact sum of two decimal texts of up to six decimals. */
export function addDecimals(a: string, b: string): string {
  const sum = microsOf(a) + microsOf(b);
  const digits = (sum < 0n ? -sum : sum).toString().padStart(7, '0');
  return trimDecimal(`${sum < 0n ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`);
}

function microsOf(text: string): bigint {
  const negative = text.startsWith('-');
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.');
  const micros = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
  return negative ? -micros : micros;
}
