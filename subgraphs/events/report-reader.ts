import { createHash } from 'node:crypto';
import type { Warehouse } from '@tributary/platform/warehouse';
import { type ReportMetric, reportFieldName, reportMetric, trimDecimal } from '@tributary/schema';
import { z } from 'zod';
import { decodeCursor, encodeCursor } from '../src/kit.ts';
import { type ReportPlan, restColumn } from './domain/report-plan.ts';
import { reportQuery } from './report-sql.ts';

export interface ReportAmount {
  readonly amount: string;
  readonly currency: string;
}

/** One row: texts of its dimensions ('' = none), numbers and amounts of its metrics. */
export interface ReportRow {
  readonly time: string | null;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Null: not asked, without a divisor, or not wholly convertible. */
  readonly values: Readonly<Record<string, number | ReportAmount | null>>;
  /** Amounts that no rate converts, by metric. */
  readonly rest: readonly (ReportAmount & { readonly metric: ReportMetric })[];
}

export interface ReportPage {
  readonly rows: readonly ReportRow[];
  readonly hasNextPage: boolean;
}

export interface ReportReader {
  readReport(
    plan: ReportPlan,
    page: { readonly first: number; readonly offset: number },
    signal?: AbortSignal,
  ): Promise<ReportPage>;
}

export function createReportReader(warehouse: Warehouse): ReportReader {
  return {
    async readReport(plan, { first, offset }, signal) {
      const { definition, params } = reportQuery(plan);
      const rows = await warehouse.query(definition, { ...params, limit: first + 1, offset }, signal ? { signal } : {});
      return { rows: rows.slice(0, first).map((row) => reportRowOf(plan, row)), hasNextPage: rows.length > first };
    },
  };
}

/** A row of the statement as values. */
export function reportRowOf(plan: ReportPlan, row: Readonly<Record<string, unknown>>): ReportRow {
  const shownValue = (metric: ReportMetric) => {
    const value = row[reportFieldName(metric)];
    if (value === null || value === undefined) return null;
    if (reportMetric(metric).unit !== 'money') return value as number;
    return { amount: trimDecimal(value as string), currency: plan.currency };
  };
  return {
    time: (row['time'] as string | undefined) ?? null,
    dimensions: Object.fromEntries(plan.dimensions.map((name) => [name, row[reportFieldName(name)] as string])),
    values: Object.fromEntries(plan.metrics.map((metric) => [metric, shownValue(metric)])),
    rest: plan.metrics.flatMap((metric) =>
      Object.entries((row[restColumn(metric)] as Record<string, string> | undefined) ?? {})
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([currency, amount]) => ({ metric, currency, amount: trimDecimal(amount) })),
    ),
  };
}

const cursorSchema = z.tuple([z.string(), z.int().min(0), z.number(), z.number()]);

/** What a cursor is good for: this caller asking this. Two callers' cursors never fit each other. */
export function reportFingerprint(caller: { readonly keyId: string }, question: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([caller.keyId, question]))
    .digest('base64url')
    .slice(0, 22);
}

/** A cursor holds the bounds of the range too, so that the pages of "the last 7 days" are of the same 7 days. */
export function reportCursorOf(fingerprint: string, offset: number, range: ReportPlan['range']): string {
  return encodeCursor([fingerprint, offset, range.fromMs, range.toMs]);
}

/** `null` when the cursor is of another caller or question. Throws BAD_USER_INPUT when it is none at all. */
export function parseReportCursor(
  cursor: string,
  fingerprint: string,
): { readonly offset: number; readonly range: ReportPlan['range'] } | null {
  const [of, offset, fromMs, toMs] = decodeCursor(cursor, cursorSchema);
  return of === fingerprint ? { offset, range: { fromMs, toMs } } : null;
}
