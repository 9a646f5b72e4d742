import { newId } from '@tributary/schema';
import type { z } from 'zod';
import { notFound, refuseRepeat, requireTenantApp } from './accounts.ts';
import { recordAudit } from './audit.ts';
import { withChange } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';
import { writeCosts } from './commands/cost-rows.ts';
import { withDirectoryChange } from './directory.ts';
import {
  adGroupInput,
  campaignInput,
  costInput,
  creativeInput,
  goalInput,
  parseInput,
  partnerInput,
  trackingLinkInput,
} from './inputs.ts';

/**
 * Partners, campaigns, links, goals and costs. As in accounts.ts: who acts is `system` by default, an audit entry is left
 * in the same transaction, and the faults are BAD_USER_INPUT, NOT_FOUND and RELATIONAL_UNAVAILABLE.
 */

const system = 'system';

/** `network` is the name its events and links carry; one partner of a tenant has it. */
export async function createPartner(
  relational: Relational,
  given: z.input<typeof partnerInput>,
  actor = system,
): Promise<{ readonly partnerId: string }> {
  const { tenantId, name, network } = parseInput(partnerInput, given);
  const partnerId = newId('partner');
  const made = relational.transact(async (tx) => {
    if ((await tx.tenant.count({ where: { id: tenantId } })) === 0) throw notFound('tenant', tenantId);
    await tx.partner.create({ data: { id: partnerId, tenantId, name, network } });
    await recordAudit(tx, [{ tenantId, actor, action: 'partner.created', subjectId: partnerId, details: { name } }]);
  });
  await refuseRepeat('Another partner has that network already.', made);
  return { partnerId };
}

export async function createCampaign(
  relational: Relational,
  given: z.input<typeof campaignInput>,
  actor = system,
): Promise<{ readonly campaignId: string }> {
  const { tenantId, appId, partnerId, name, network } = parseInput(campaignInput, given);
  const campaignId = newId('campaign');
  await withChange(relational, ['directory', 'mirrors'], async (tx) => {
    await requireTenantApp(tx, tenantId, appId);
    const partner = partnerId ? await tx.partner.findFirst({ where: { id: partnerId, tenantId } }) : null;
    if (partnerId && !partner) throw notFound('partner', partnerId);
    await tx.campaign.create({
      data: {
        id: campaignId,
        tenantId,
        appId,
        partnerId: partnerId ?? null,
        name,
        network: network ?? partner?.network ?? null,
      },
    });
    await recordAudit(tx, [{ tenantId, actor, action: 'campaign.created', subjectId: campaignId, details: { name } }]);
  });
  return { campaignId };
}

async function requireTenantCampaign(tx: RelationalReader, tenantId: string, campaignId: string) {
  const campaign = await tx.campaign.findFirst({
    where: { id: campaignId, tenantId },
    select: { appId: true, network: true },
  });
  if (!campaign) throw notFound('campaign', campaignId);
  return campaign;
}

export async function createAdGroup(
  relational: Relational,
  given: z.input<typeof adGroupInput>,
  actor = system,
): Promise<{ readonly adGroupId: string }> {
  const { tenantId, campaignId, name } = parseInput(adGroupInput, given);
  const adGroupId = newId('adgroup');
  await relational.transact(async (tx) => {
    await requireTenantCampaign(tx, tenantId, campaignId);
    await tx.adGroup.create({ data: { id: adGroupId, tenantId, campaignId, name } });
    await recordAudit(tx, [{ tenantId, actor, action: 'ad_group.created', subjectId: adGroupId, details: { name } }]);
  });
  return { adGroupId };
}

export async function createCreative(
  relational: Relational,
  given: z.input<typeof creativeInput>,
  actor = system,
): Promise<{ readonly creativeId: string }> {
  const { tenantId, adGroupId, name } = parseInput(creativeInput, given);
  const creativeId = newId('creative');
  await relational.transact(async (tx) => {
    const found = await tx.adGroup.count({ where: { id: adGroupId, tenantId } });
    if (found === 0) throw notFound('ad group', adGroupId);
    await tx.creative.create({ data: { id: creativeId, tenantId, adGroupId, name } });
    await recordAudit(tx, [{ tenantId, actor, action: 'creative.created', subjectId: creativeId, details: { name } }]);
  });
  return { creativeId };
}

/** A link's campaign must be of the link's app. */
export async function createTrackingLink(
  relational: Relational,
  given: z.input<typeof trackingLinkInput>,
  actor = system,
): Promise<{ readonly linkId: string; readonly slug: string }> {
  const { tenantId, appId, campaignId, targetUrl, expiresAt, ...rest } = parseInput(trackingLinkInput, given);
  const linkId = newId('link');
  const slug = rest.slug ?? newId('link').slice(4);
  const made = withDirectoryChange(relational, async (tx) => {
    await requireTenantApp(tx, tenantId, appId);
    if (campaignId) {
      const campaign = await requireTenantCampaign(tx, tenantId, campaignId);
      if (campaign.appId !== appId) throw notFound('campaign', campaignId);
    }
    await tx.trackingLink.create({
      data: {
        id: linkId,
        tenantId,
        appId,
        campaignId: campaignId ?? null,
        slug,
        targetUrl,
        expiresAt: expiresAt ?? null,
      },
    });
    await recordAudit(tx, [{ tenantId, actor, action: 'link.created', subjectId: linkId, details: { slug } }]);
  });
  await refuseRepeat('That slug is taken.', made);
  return { linkId, slug };
}

export async function createGoal(
  relational: Relational,
  given: z.input<typeof goalInput>,
  actor = system,
): Promise<{ readonly goalId: string }> {
  const { tenantId, appId, name, eventKind, eventName } = parseInput(goalInput, given);
  const goalId = newId('goal');
  const made = withDirectoryChange(relational, async (tx) => {
    await requireTenantApp(tx, tenantId, appId);
    await tx.goal.create({ data: { id: goalId, tenantId, appId, name, eventKind, eventName: eventName ?? null } });
    await recordAudit(tx, [{ tenantId, actor, action: 'goal.created', subjectId: goalId, details: { name } }]);
  });
  await refuseRepeat('The app has a goal of that name already.', made);
  return { goalId };
}

/**
 * Sets what campaigns cost per day (of the app's time zone); a figure given again replaces the first. All rows or none.
 * Figures in another currency than the app's are converted by the dated rates; without one: BAD_USER_INPUT.
 */
export async function recordCosts(
  relational: Relational,
  given: { readonly tenantId: string; readonly rows: readonly z.input<typeof costInput>[] },
  actor = system,
): Promise<void> {
  const { tenantId } = given;
  const rows = given.rows.map((row) => parseInput(costInput, row));
  if (rows.length === 0) return;
  await withChange(relational, ['mirrors'], async (tx) => {
    await writeCosts({ tx, tenantId, appIds: null }, rows, 'SET');
    const days = rows.map((row) => row.day).sort();
    const details = { rows: rows.length, firstDay: days[0], lastDay: days.at(-1) };
    await recordAudit(tx, [
      { tenantId, actor, action: 'costs.recorded', subjectId: rows[0]?.campaignId ?? '', details },
    ]);
  });
}

/** Takes back the costs of a campaign's days (inclusive, `YYYY-MM-DD`). Returns how many rows went. */
export async function removeCosts(
  relational: Relational,
  given: {
    readonly tenantId: string;
    readonly campaignId: string;
    readonly firstDay: string;
    readonly lastDay: string;
  },
  actor = system,
): Promise<number> {
  const { tenantId, campaignId, firstDay, lastDay } = given;
  return withChange(relational, ['mirrors'], async (tx) => {
    await requireTenantCampaign(tx, tenantId, campaignId);
    const { count } = await tx.costRow.deleteMany({
      where: { tenantId, campaignId, day: { gte: new Date(firstDay), lte: new Date(lastDay) } },
    });
    const details = { firstDay, lastDay, rows: count };
    await recordAudit(tx, [{ tenantId, actor, action: 'costs.removed', subjectId: campaignId, details }]);
    return count;
  });
}
