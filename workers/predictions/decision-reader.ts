import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type { Candidate } from '@tributary/schema';
import { z } from 'zod';

const pipeline = 'pipeline work: the loop scores all tenants; every row carries its own';

/** What scoring needs of a candidate (schema/src/attribution.ts); the rest of it is passed over. */
const candidateSchema = z.object({
  touchpoint: z.object({
    kind: z.enum(['click', 'impression']),
    occurredAt: z.number(),
    siteId: z.string().nullable(),
  }),
  eligible: z.boolean(),
  reason: z.string() as z.ZodType<Candidate['reason']>,
  ctitSeconds: z.number(),
});
export type ScoredCandidate = z.output<typeof candidateSchema>;

/**
 * Grain: decision. Ordering key: app, install, revision. Scan: the table's decided_at column (8 bytes a decision); wide
 * columns only of the page.
 */
export const decisionsQuery = defineQuery({
  name: 'predictions_decisions',
  tenantFree: pipeline,
  timeoutMs: 60_000,
  sql: `
    SELECT tenant_id AS tenantId, app_id AS appId, install_id AS installId, revision, verdict, platform,
      toFloat64(toUnixTimestamp64Milli(installed_at)) AS installedAt, toFloat64(toUnixTimestamp64Milli(decided_at)) AS decidedAt,
      ctit_seconds AS ctitSeconds, candidates
    FROM install_attributions
    WHERE (decided_at, install_id, revision) > (${timeParam('afterMs')}, {afterId:String}, {afterRevision:UInt32})
    ORDER BY install_attributions.decided_at, install_attributions.install_id, install_attributions.revision
    LIMIT {limit:UInt32}`,
  params: z.object({ afterMs: z.number(), afterId: z.string(), afterRevision: z.number(), limit: z.number() }),
  row: z.object({
    tenantId: z.string(),
    appId: z.string(),
    installId: z.string(),
    revision: z.number(),
    verdict: z.string(),
    platform: z.string(),
    installedAt: z.number(),
    decidedAt: z.number(),
    ctitSeconds: z.number().nullable(),
    candidates: z.string(),
  }),
});

/** A decision as stored; its evidence is parsed only when it is scored, since the overlap reads most of them twice. */
export type StoredDecision = z.output<typeof decisionsQuery.row>;

/** A decision with its evidence parsed. */
export type Decision = Omit<StoredDecision, 'candidates'> & {
  readonly candidates: readonly ScoredCandidate[];
};

/** Throws a ZodError when the stored evidence isn't what attribution writes. */
export function parseDecision(stored: StoredDecision): Decision {
  return { ...stored, candidates: z.array(candidateSchema).parse(JSON.parse(stored.candidates)) };
}

const pageParams = {
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  fromMs: z.number(),
  toMs: z.number(),
  decidedFromMs: z.number(),
  decidedToMs: z.number(),
};

const decidedDevices = `
      SELECT device_key FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
        AND decided_at >= ${timeParam('decidedFromMs')} AND decided_at <= ${timeParam('decidedToMs')}`;

/**
 * Grain: install event. Ordering key: app. Scan: install rows of the page's time range whose device a decision of the
 * page names.
 */
export const installEventsQuery = defineQuery({
  name: 'predictions_install_events',
  timeoutMs: 60_000,
  sql: `
    SELECT concat(app_id, ':', source_format, ':', event_id) AS installId, idfa, idfv, gaid, android_id AS androidId,
      device_model AS deviceModel, flags, toFloat64(toUnixTimestamp64Milli(install_begin_at)) AS installBeginAt
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND event_kind = 'install'
      AND occurred_at >= ${timeParam('fromMs')} AND occurred_at <= ${timeParam('toMs')}
      AND device_key IN (${decidedDevices})`,
  params: z.object(pageParams),
  row: z.object({
    installId: z.string(),
    idfa: z.string(),
    idfv: z.string(),
    gaid: z.string(),
    androidId: z.string(),
    deviceModel: z.string(),
    flags: z.array(z.string()),
    /** 0 = not told */
    installBeginAt: z.number(),
  }),
});
export type InstallFacts = z.output<typeof installEventsQuery.row>;

/**
 * Grain: (site, device model, hour) with more than one install. Ordering key: app. Scan: decisions and install rows of
 * the range, whole hours.
 */
export const burstsQuery = defineQuery({
  name: 'predictions_bursts',
  timeoutMs: 60_000,
  sql: `
    SELECT site, model, toFloat64(toUnixTimestamp(hour)) * 1000 AS hourMs, toFloat64(count()) AS installs
    FROM (
      SELECT install_id, JSONExtractString(arrayFirst(
          one -> JSONExtractString(one, 'reason') = 'won',
          JSONExtractArrayRaw(argMax(candidates, revision))), 'touchpoint', 'siteId') AS site,
        toStartOfHour(any(installed_at)) AS hour
      FROM install_attributions
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND touchpoint_id != ''
        AND installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}
      GROUP BY install_id
      HAVING site != ''
    ) AS won
    INNER JOIN (
      SELECT concat(app_id, ':', source_format, ':', event_id) AS install_id, device_model AS model
      FROM events
      WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND event_kind = 'install'
        AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
    ) AS made USING (install_id)
    GROUP BY site, model, hour
    HAVING installs > 1`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
  }),
  row: z.object({ site: z.string(), model: z.string(), hourMs: z.number(), installs: z.number() }),
});

/** Installs by site, device model and hour (epoch ms) where there was more than one; keys by `burstKey`. */
export type Bursts = ReadonlyMap<string, number>;

export function burstKey(site: string, deviceModel: string, hourMs: number): string {
  return JSON.stringify([site, deviceModel, hourMs]);
}

/** Where reading decisions goes on: after this one. */
export interface DecisionCursor {
  readonly decidedAt: number;
  readonly installId: string;
  readonly revision: number;
}

export interface DecisionReader {
  /** The next decisions in order of decision time, over all tenants. */
  readDecisions(after: DecisionCursor, limit: number): Promise<readonly StoredDecision[]>;
  /** Facts of the install events behind decisions of one app, and bursts around them. */
  readInstallFacts(
    decisions: readonly Decision[],
  ): Promise<{ readonly facts: ReadonlyMap<string, InstallFacts>; readonly bursts: Bursts }>;
}

const hourMs = 3_600_000;

export function createDecisionReader(warehouse: Warehouse): DecisionReader {
  return {
    readDecisions: (after, limit) =>
      warehouse.query(decisionsQuery, {
        afterMs: after.decidedAt,
        afterId: after.installId,
        afterRevision: after.revision,
        limit,
      }),
    async readInstallFacts(decisions) {
      const { tenantId, appId } = decisions[0]!;
      const [fromMs, toMs] = spanOf(decisions.map((one) => one.installedAt));
      const [decidedFromMs, decidedToMs] = spanOf(decisions.map((one) => one.decidedAt));
      const [facts, bursts] = await Promise.all([
        warehouse.query(installEventsQuery, { tenantId, appId, fromMs, toMs, decidedFromMs, decidedToMs }),
        warehouse.query(burstsQuery, {
          tenantId,
          appId,
          fromMs: Math.floor(fromMs / hourMs) * hourMs,
          toMs: (Math.floor(toMs / hourMs) + 1) * hourMs,
        }),
      ]);
      return {
        facts: new Map(facts.map((row) => [row.installId, row])),
        bursts: new Map(bursts.map((row) => [burstKey(row.site, row.model, row.hourMs), row.installs])),
      };
    },
  };
}

function spanOf(times: readonly number[]): [number, number] {
  return [times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY), times.reduce((a, b) => Math.max(a, b), 0)];
}
