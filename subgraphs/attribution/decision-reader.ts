import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type {
  AttributionRule,
  CandidateReason,
  InstallAttribution,
  InstallVerdict,
  MatchKey,
  TouchpointKind,
} from '@tributary/schema';
import { z } from 'zod';
import { isPartners, partnerInstalls, partnerParam, partnerWall } from './attribution-sql.ts';

/** Values of our own writing: parsed as texts, typed by what the worker may write. */
const written = <T extends string>() => z.string() as unknown as z.ZodType<T>;

const candidateSchema = z.object({
  touchpoint: z.object({
    touchpointId: z.string(),
    kind: written<TouchpointKind>(),
    occurredAt: z.number(),
    campaignId: z.string().nullable(),
  }),
  matchKey: written<MatchKey>(),
  eligible: z.boolean(),
  reason: written<CandidateReason>(),
  ctitSeconds: z.number(),
  windowHours: z.number(),
});
export type StoredCandidate = z.output<typeof candidateSchema>;

/** A partner sees its own touchpoints among the candidates, never those of others. */
const shownCandidates = `if({partnerId:String} = '', candidates, concat('[', arrayStringConcat(arrayFilter(
        candidate -> ${isPartners("JSONExtractString(candidate, 'touchpoint', 'campaignId')")}, JSONExtractArrayRaw(candidates)), ','), ']'))`;

/** Grain: (install, revision). Ordering key: app, install. Scan: the granules of the installs asked for. */
export const decisionsQuery = defineQuery({
  name: 'attribution_decisions',
  sql: `
    SELECT install_id AS installId, revision, toFloat64(toUnixTimestamp64Milli(decided_at)) AS decidedAt, verdict, \`trigger\`, rule,
      campaign_id AS campaignId, network, touchpoint_id AS touchpointId, ctit_seconds AS ctitSeconds,
      ${shownCandidates} AS evidence
    FROM install_attributions
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND install_id IN {installIds:Array(String)}
      AND installed_at >= ${timeParam('fromMs')} AND installed_at < ${timeParam('toMs')}
      AND ${partnerInstalls('install_id')} AND ${partnerWall('campaign_id')}
    ORDER BY install_attributions.install_id, install_attributions.revision, install_attributions.decided_at
    LIMIT 1 BY install_attributions.install_id, install_attributions.revision`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    installIds: z.array(z.string()).min(1).max(200),
    fromMs: z.number(),
    toMs: z.number(),
    ...partnerParam,
  }),
  row: z.object({
    installId: z.string(),
    revision: z.number(),
    decidedAt: z.number(),
    verdict: written<InstallVerdict>(),
    trigger: written<InstallAttribution['trigger']>(),
    rule: written<AttributionRule>(),
    campaignId: z.string(),
    network: z.string(),
    touchpointId: z.string(),
    ctitSeconds: z.number().nullable(),
    evidence: z.string(),
  }),
});

/** One revision of a decision about an install. */
export interface StoredDecision {
  readonly installId: string;
  readonly revision: number;
  readonly decidedAt: number;
  readonly verdict: InstallVerdict;
  readonly trigger: InstallAttribution['trigger'];
  readonly rule: AttributionRule;
  readonly campaignId: string | null;
  readonly network: string | null;
  readonly touchpointId: string | null;
  readonly ctitSeconds: number | null;
  readonly candidates: readonly StoredCandidate[];
}

const dayMs = 86_400_000;
const lookbackMs = 5 * 366 * dayMs;

export interface DecisionReader {
  /** Every revision by install id, oldest first; undecided installs are absent. */
  readDecisions(request: {
    readonly tenantId: string;
    readonly appId: string;
    readonly installIds: readonly string[];
    readonly nowMs: number;
    /** '' = no partner's: all. With one: revisions that name its campaigns, of installs that are its now. */
    readonly partnerId: string;
  }): Promise<ReadonlyMap<string, readonly StoredDecision[]>>;
}

export function createDecisionReader(warehouse: Warehouse): DecisionReader {
  return {
    async readDecisions({ nowMs, installIds, ...scope }) {
      const rows = await warehouse.query(decisionsQuery, {
        ...scope,
        installIds: [...installIds],
        fromMs: nowMs - lookbackMs,
        toMs: nowMs + dayMs,
      });
      return Map.groupBy(
        rows.map(
          ({ evidence, ...row }): StoredDecision => ({
            ...row,
            campaignId: row.campaignId || null,
            network: row.network || null,
            touchpointId: row.touchpointId || null,
            candidates: z.array(candidateSchema).parse(JSON.parse(evidence || '[]')),
          }),
        ),
        (decision) => decision.installId,
      );
    },
  };
}
