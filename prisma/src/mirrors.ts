import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { trimDecimal } from '@tributary/schema';
import { z } from 'zod';
import { readCount, watchChanges } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';
import { syncFxMirror } from './fx-mirror.ts';

const paramsOfApp = z.object({ tenantId: z.string(), appId: z.string() });

/** UInt64 comes as text or number by the engine's settings; counts here are far below 2^53. */
const count = z.coerce.number();

const mirroredCampaigns = defineQuery({
  name: 'mirrors_campaigns_of_app',
  sql: `-- Grain: campaign. Order key: (tenant_id, app_id, campaign_id). Scan: one app's campaigns, few granules.
-- Aliases differ from columns: ClickHouse would put an alias into the other aggregates.
SELECT campaign_id, argMax(name, version) AS last_name, argMax(network, version) AS last_network,
  argMax(partner_id, version) AS last_partner_id, max(version) AS last_version
FROM campaigns_mirror
WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
GROUP BY campaign_id`,
  params: paramsOfApp,
  row: z.object({
    campaign_id: z.string(),
    last_name: z.string(),
    last_network: z.string(),
    last_partner_id: z.string(),
    last_version: count,
  }),
});

const mirroredCosts = defineQuery({
  name: 'mirrors_costs_of_app',
  sql: `-- Grain: campaign, day, currency. Order key: (tenant_id, app_id, campaign_id, day). Scan: one app's costs, all days.
SELECT campaign_id, toString(day) AS cost_day, cost_currency, toString(argMax(cost_amount, version)) AS last_amount,
  max(version) AS last_version
FROM costs_mirror
WHERE tenant_id = {tenantId:String} AND app_id = {appId:String}
GROUP BY campaign_id, day, cost_currency`,
  params: paramsOfApp,
  row: z.object({
    campaign_id: z.string(),
    cost_day: z.string(),
    cost_currency: z.string(),
    last_amount: z.string(),
    last_version: count,
  }),
});

interface MirrorState {
  readonly campaigns: readonly z.output<typeof mirroredCampaigns.row>[];
  readonly costs: readonly z.output<typeof mirroredCosts.row>[];
}

interface CampaignContent {
  readonly campaign_id: string;
  readonly name: string;
  readonly network: string;
  readonly partner_id: string;
}

interface CostContent {
  readonly campaign_id: string;
  readonly day: string;
  readonly cost_currency: string;
  readonly cost_amount: string;
}

interface AppContent {
  readonly tenantId: string;
  readonly appId: string;
  /** Count of topic `mirrors` that this content belongs to. */
  readonly version: number;
  readonly campaigns: readonly CampaignContent[];
  readonly costs: readonly CostContent[];
}

export interface MirrorReport {
  readonly campaigns: number;
  readonly costs: number;
}

async function readAppContent(tx: RelationalReader, tenantId: string, appId: string): Promise<AppContent> {
  const version = await readCount(tx, 'mirrors');
  const campaigns = await tx.campaign.findMany({ where: { tenantId, appId } });
  const costs = await tx.costRow.findMany({
    where: { tenantId, appId },
    select: { campaignId: true, day: true, amount: true, currency: true },
  });
  return {
    tenantId,
    appId,
    version,
    campaigns: campaigns.map(({ id, name, network, partnerId }) => ({
      campaign_id: id,
      name,
      network: network ?? '',
      partner_id: partnerId ?? '',
    })),
    costs: costs.map(({ campaignId, day, amount, currency }) => ({
      campaign_id: campaignId,
      day: day.toISOString().slice(0, 10),
      cost_currency: currency,
      cost_amount: amount.toFixed(6),
    })),
  };
}

const costKeyOf = (campaignId: string, day: string, currency: string) => `${campaignId} ${day} ${currency}`;

/**
 * The rows to write so that a mirror shows the content: those that differ, and 0 for costs that are gone. A row's version
 * is above the one it replaces, whatever the counter says.
 *
 * Campaigns that are gone stay: events of the past still name them.
 */
export function rowsToMirror(content: AppContent, mirror: MirrorState) {
  const owner = { tenant_id: content.tenantId, app_id: content.appId };
  const above = (mirrored: number | undefined) => Math.max(content.version, (mirrored ?? 0) + 1);

  const mirroredById = new Map(mirror.campaigns.map((row) => [row.campaign_id, row]));
  const campaigns = content.campaigns.flatMap((row) => {
    const old = mirroredById.get(row.campaign_id);
    const same =
      old && old.last_name === row.name && old.last_network === row.network && old.last_partner_id === row.partner_id;
    return same ? [] : [{ ...owner, ...row, version: above(old?.last_version) }];
  });

  const mirroredByKey = new Map(
    mirror.costs.map((row) => [costKeyOf(row.campaign_id, row.cost_day, row.cost_currency), row]),
  );
  const changed = content.costs.flatMap((row) => {
    const old = mirroredByKey.get(costKeyOf(row.campaign_id, row.day, row.cost_currency));
    const same = old && trimDecimal(old.last_amount) === trimDecimal(row.cost_amount);
    return same ? [] : [{ ...owner, ...row, version: above(old?.last_version) }];
  });
  for (const row of content.costs) mirroredByKey.delete(costKeyOf(row.campaign_id, row.day, row.cost_currency));
  const gone = [...mirroredByKey.values()]
    .filter((old) => trimDecimal(old.last_amount) !== '0')
    .map(({ campaign_id, cost_day, cost_currency, last_version }) => ({
      ...owner,
      campaign_id,
      day: cost_day,
      cost_currency,
      cost_amount: '0',
      version: above(last_version),
    }));
  return { campaigns, costs: [...changed, ...gone] };
}

/**
 * Brings the warehouse's mirrors of campaigns and costs to the relational store's state, app by app; writes only what
 * differs, and returns how many rows that was. Repeats and concurrent calls are harmless.
 */
export async function syncMirrors(options: {
  readonly relational: Relational;
  readonly warehouse: Warehouse;
}): Promise<MirrorReport> {
  const { relational, warehouse } = options;
  const apps = await relational.client.app.findMany({ select: { id: true, tenantId: true }, orderBy: { id: 'asc' } });
  const written = { campaigns: 0, costs: 0 };
  for (const { id: appId, tenantId } of apps) {
    const params = { tenantId, appId };
    // The mirror before its source: a row that another process writes meanwhile then has a version above ours.
    const [campaigns, costs] = await Promise.all([
      warehouse.query(mirroredCampaigns, params),
      warehouse.query(mirroredCosts, params),
    ]);
    const content = await relational.transact((tx) => readAppContent(tx, tenantId, appId), { snapshot: true });
    const rows = rowsToMirror(content, { campaigns, costs });
    if (rows.campaigns.length > 0) {
      await warehouse.insertRows({ name: 'mirrors_campaigns', table: 'campaigns_mirror', rows: rows.campaigns });
    }
    if (rows.costs.length > 0) {
      await warehouse.insertRows({ name: 'mirrors_costs', table: 'costs_mirror', rows: rows.costs });
    }
    written.campaigns += rows.campaigns.length;
    written.costs += rows.costs.length;
  }
  return written;
}

export interface Mirroring {
  /** Mirrors a change that was committed before this call, if there is one. */
  check(): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Keeps the mirrors: resolves once they show the present state, then follows changes (of other processes within
 * `pollMs`, default 1,000). A later fault is logged and tried again.
 */
export async function startMirrors(options: {
  readonly relational: Relational;
  readonly warehouse: Warehouse;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pollMs?: number;
}): Promise<Mirroring> {
  const { relational, warehouse, logger } = options;
  const watch = watchChanges({
    relational,
    topic: 'mirrors',
    pollMs: options.pollMs ?? 1_000,
    onChange: async () => {
      const { campaigns, costs } = await syncMirrors({ relational, warehouse });
      const rates = await syncFxMirror({ relational, warehouse });
      if (campaigns + costs + rates > 0)
        logger.info({ campaigns, costs, rates }, 'mirrors of campaigns, costs and rates brought up to date');
    },
    onFault: (err) => logger.error({ err }, 'the mirrors could not be brought up to date; trying again'),
  });
  await watch.check().catch(async (error: unknown) => {
    await watch.dispose();
    throw error;
  });
  return watch;
}
