import { CodedError, newId } from '@tributary/schema';
import { notFound } from '../accounts.ts';
import type { RelationalReader } from '../client.ts';
import { convertAmounts } from './currencies.ts';
import { refuseField } from './scope.ts';

/** A cost as given: in whatever currency. */
export interface GivenCost {
  readonly campaignId: string;
  /** `YYYY-MM-DD` of the app's time zone. */
  readonly day: string;
  readonly amount: string;
  /** null = the app's. */
  readonly currency: string | null;
}

export interface CostWriteReach {
  readonly tx: RelationalReader;
  readonly tenantId: string;
  /** Apps that may be written to; null = all. */
  readonly appIds: readonly string[] | null;
}

/**
 * Writes costs, converted to their apps' currencies by the day's rate. `SET`: a day's figure given again replaces the first;
 * `ADD`: it is added to what the day has. All rows or none; of rows of one campaign and day the last counts (SET), or all (ADD).
 *
 * Throws NOT_FOUND (`details.row`) for campaigns out of reach, BAD_USER_INPUT where a rate is missing.
 */
export async function writeCosts(
  { tx, tenantId, appIds }: CostWriteReach,
  given: readonly GivenCost[],
  mode: 'SET' | 'ADD',
): Promise<number> {
  const campaigns = await tx.campaign.findMany({
    where: { tenantId, id: { in: [...new Set(given.map((row) => row.campaignId))] } },
    select: { id: true, tenantId: true, appId: true, app: { select: { currency: true } } },
  });
  const byId = new Map(campaigns.map((campaign) => [campaign.id, campaign]));
  const placed = given.map((row, place) => {
    const campaign = byId.get(row.campaignId);
    if (campaign?.tenantId !== tenantId || (appIds !== null && !appIds.includes(campaign.appId))) {
      const { message } = notFound('campaign', row.campaignId);
      throw new CodedError('NOT_FOUND', {
        message: `rows.${place}: ${message}`,
        details: { id: row.campaignId, issues: [{ field: ['rows', String(place), 'campaignId'], message }] },
      });
    }
    return {
      ...row,
      place,
      appId: campaign.appId,
      own: campaign.app.currency,
      from: row.currency ?? campaign.app.currency,
    };
  });
  const foreign = placed.filter((row) => row.from !== row.own);
  const worth = await convertAmounts(
    tx,
    tenantId,
    foreign.map((row) => ({ from: row.from, to: row.own, day: row.day, amount: row.amount })),
  );
  const converted = new Map(foreign.map((row, index) => [row.place, worth[index] ?? null]));
  const rows = placed.map((row) => {
    const amount = row.from === row.own ? row.amount : converted.get(row.place);
    if (amount == null)
      refuseField(`rows.${row.place}.currency`, `there is no rate from ${row.from} to ${row.own} for ${row.day}`);
    return { ...row, amount, source: row.from === row.own ? null : row.amount };
  });
  if (mode === 'SET') await setRows(tx, tenantId, rows);
  else for (const row of rows) await addRow(tx, tenantId, row);
  return rows.length;
}

interface PlacedCost {
  readonly campaignId: string;
  readonly appId: string;
  readonly day: string;
  readonly amount: string;
  readonly own: string;
  readonly from: string;
  /** The amount before it was converted; null = it was not. */
  readonly source: string | null;
}

async function setRows(tx: RelationalReader, tenantId: string, given: readonly PlacedCost[]): Promise<void> {
  // One statement can't set the same row twice: the last figure given counts.
  const rows = [...new Map(given.map((row) => [`${row.campaignId} ${row.day}`, row])).values()];
  await tx.$executeRaw`
    INSERT INTO "CostRow" ("id", "tenantId", "appId", "campaignId", "day", "amount", "currency", "updatedAt", "sourceAmount", "sourceCurrency")
    SELECT given.id, ${tenantId}, given.app_id, given.campaign_id, given.day::date, given.amount::numeric, given.currency,
      now(), given.source::numeric, CASE WHEN given.source IS NULL THEN NULL ELSE given.source_currency END
    FROM unnest(${rows.map(() => newId('cost'))}::text[], ${rows.map((row) => row.appId)}::text[],
      ${rows.map((row) => row.campaignId)}::text[], ${rows.map((row) => row.day)}::text[],
      ${rows.map((row) => row.amount)}::text[], ${rows.map((row) => row.own)}::text[],
      ${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.from)}::text[])
      AS given (id, app_id, campaign_id, day, amount, currency, source, source_currency)
    ON CONFLICT ("tenantId", "campaignId", "day", "currency")
    DO UPDATE SET "amount" = EXCLUDED."amount", "updatedAt" = EXCLUDED."updatedAt",
      "sourceAmount" = EXCLUDED."sourceAmount", "sourceCurrency" = EXCLUDED."sourceCurrency"`;
}

/** A sum of figures in two currencies has no one source: it stays as converted. */
async function addRow(tx: RelationalReader, tenantId: string, row: PlacedCost): Promise<void> {
  const sourceCurrency = row.source === null ? null : row.from;
  await tx.$executeRaw`
    INSERT INTO "CostRow" AS cost ("id", "tenantId", "appId", "campaignId", "day", "amount", "currency", "updatedAt", "sourceAmount", "sourceCurrency")
    VALUES (${newId('cost')}, ${tenantId}, ${row.appId}, ${row.campaignId}, ${row.day}::date, ${row.amount}::numeric,
      ${row.own}, now(), ${row.source}::numeric, ${sourceCurrency})
    ON CONFLICT ("tenantId", "campaignId", "day", "currency")
    DO UPDATE SET "amount" = cost."amount" + EXCLUDED."amount", "updatedAt" = EXCLUDED."updatedAt",
      "sourceAmount" = CASE WHEN cost."sourceCurrency" = EXCLUDED."sourceCurrency" THEN cost."sourceAmount" + EXCLUDED."sourceAmount" END,
      "sourceCurrency" = CASE WHEN cost."sourceCurrency" = EXCLUDED."sourceCurrency" THEN cost."sourceCurrency" END`;
}

/** Ids of campaigns by name, within reach. A name that several apps' campaigns have is ambiguous: null. */
export async function campaignsByName(
  { tx, tenantId, appIds }: CostWriteReach,
  names: readonly string[],
): Promise<ReadonlyMap<string, string | null>> {
  const rows = await tx.campaign.findMany({
    where: { tenantId, name: { in: [...new Set(names)] }, ...(appIds === null ? {} : { appId: { in: [...appIds] } }) },
    select: { id: true, name: true },
  });
  const found = new Map<string, string | null>();
  for (const { id, name } of rows) found.set(name, found.has(name) ? null : id);
  return found;
}
