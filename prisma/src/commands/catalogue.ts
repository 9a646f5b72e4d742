import { eventKinds, linkTargetSchema, newId } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import { linkTarget, name } from '../inputs.ts';
import { type CommandScope, defineCommand } from './command.ts';
import {
  given,
  idInput,
  ownRow,
  requireOwnApp,
  requireOwnCampaign,
  requirePartner,
  requireWholeTenant,
} from './scope.ts';

/** Partners, campaigns, ad groups, creatives, links and goals. */

const status = z.enum(['ACTIVE', 'PAUSED', 'ARCHIVED']);

export const createPartnerCommand = defineCommand({
  operation: 'createPartner',
  taken: 'Another partner has that network already.',
  input: z.object({ name, network: name }),
  run: async (scope, fields) => {
    requireWholeTenant(scope);
    const id = newId('partner');
    await scope.tx.partner.create({ data: { id, tenantId: scope.tenantId, ...fields } });
    return { result: { id }, audit: [{ action: 'partner.created', subjectId: id, after: fields }] };
  },
});

export const updatePartner = defineCommand({
  operation: 'updatePartner',
  input: z.object({ partnerId: idInput, name }),
  run: async (scope, { partnerId, ...fields }) => {
    requireWholeTenant(scope);
    const before = await requirePartner(scope, partnerId);
    await scope.tx.partner.updateMany({ where: { id: partnerId, tenantId: scope.tenantId }, data: fields });
    return {
      result: { id: partnerId },
      audit: [{ action: 'partner.updated', subjectId: partnerId, before, after: { ...before, ...fields } }],
    };
  },
});

export const createCampaignCommand = defineCommand({
  operation: 'createCampaign',
  topics: ['directory', 'mirrors'],
  input: z.object({
    appId: idInput,
    partnerId: idInput.nullish(),
    name,
    network: name.nullish(),
    status: status.optional(),
  }),
  run: async (scope, { appId, partnerId, ...fields }) => {
    await requireOwnApp(scope, appId);
    const partner = partnerId ? await requirePartner(scope, partnerId) : null;
    const id = newId('campaign');
    const row = {
      ...given(fields),
      appId,
      partnerId: partnerId ?? null,
      network: fields.network ?? partner?.network ?? null,
    };
    await scope.tx.campaign.create({ data: { id, tenantId: scope.tenantId, name: fields.name, ...row } });
    return { result: { id }, audit: [{ action: 'campaign.created', subjectId: id, after: row }] };
  },
});

/** A campaign moves between partners, never between apps: its costs and links are its app's. */
export const updateCampaign = defineCommand({
  operation: 'updateCampaign',
  topics: ['directory', 'mirrors'],
  input: z.object({
    campaignId: idInput,
    partnerId: idInput.nullish(),
    name: name.optional(),
    network: name.nullish(),
    status: status.optional(),
  }),
  run: async (scope, { campaignId, ...fields }) => {
    const before = await requireOwnCampaign(scope, campaignId);
    if (fields.partnerId) await requirePartner(scope, fields.partnerId);
    const after = given(fields);
    await scope.tx.campaign.updateMany({ where: { id: campaignId, tenantId: scope.tenantId }, data: after });
    return {
      result: { id: campaignId },
      audit: [{ action: 'campaign.updated', subjectId: campaignId, before, after: { ...before, ...after } }],
    };
  },
});

export async function requireOwnAdGroup(scope: CommandScope, adGroupId: string) {
  const { tenantId } = scope;
  const adGroup = ownRow(scope, await scope.tx.adGroup.findFirst({ where: { id: adGroupId, tenantId } }));
  if (!adGroup) throw notFound('ad group', adGroupId);
  await requireOwnCampaign(scope, adGroup.campaignId);
  return adGroup;
}

export const createAdGroupCommand = defineCommand({
  operation: 'createAdGroup',
  input: z.object({ campaignId: idInput, name }),
  run: async (scope, fields) => {
    await requireOwnCampaign(scope, fields.campaignId);
    const id = newId('adgroup');
    await scope.tx.adGroup.create({ data: { id, tenantId: scope.tenantId, ...fields } });
    return { result: { id }, audit: [{ action: 'ad_group.created', subjectId: id, after: fields }] };
  },
});

export const createCreativeCommand = defineCommand({
  operation: 'createCreative',
  input: z.object({ adGroupId: idInput, name }),
  run: async (scope, fields) => {
    await requireOwnAdGroup(scope, fields.adGroupId);
    const id = newId('creative');
    await scope.tx.creative.create({ data: { id, tenantId: scope.tenantId, ...fields } });
    return { result: { id }, audit: [{ action: 'creative.created', subjectId: id, after: fields }] };
  },
});

const linkSettings = z.object({
  targetUrl: linkTarget,
  targets: z
    .array(
      linkTargetSchema.extend({
        platform: z
          .enum(['ios', 'android', 'desktop'])
          .nullish()
          .transform((value) => value ?? null),
        country: z
          .string()
          .regex(/^[A-Z]{2}$/, { error: 'must be ISO 3166 alpha-2' })
          .nullish()
          .transform((value) => value ?? null),
        url: linkTarget,
      }),
    )
    .max(50)
    .nullish(),
  deepLinkPath: z.string().trim().min(1).max(1_000).nullish(),
  /** Epoch ms. */
  expiresAt: z
    .number()
    .nullish()
    .transform((value) => (value == null ? value : new Date(value))),
});

async function requireFittingCampaign(scope: CommandScope, appId: string, campaignId: string) {
  const campaign = await requireOwnCampaign(scope, campaignId);
  if (campaign.appId !== appId) throw notFound('campaign', campaignId);
}

export const createTrackingLinkCommand = defineCommand({
  operation: 'createTrackingLink',
  topics: ['directory'],
  taken: 'That slug is taken.',
  input: linkSettings.extend({
    appId: idInput,
    campaignId: idInput.nullish(),
    slug: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/)
      .optional(),
  }),
  run: async (scope, { appId, campaignId, slug, ...fields }) => {
    await requireOwnApp(scope, appId);
    if (campaignId) await requireFittingCampaign(scope, appId, campaignId);
    const id = newId('link');
    const row = {
      appId,
      campaignId: campaignId ?? null,
      slug: slug ?? newId('link').slice(4),
      ...given({ ...fields, targets: fields.targets ?? undefined }),
    };
    await scope.tx.trackingLink.create({ data: { id, tenantId: scope.tenantId, ...row } as never });
    return { result: { id }, audit: [{ action: 'link.created', subjectId: id, after: row }] };
  },
});

/** The slug stays: it is printed somewhere. */
export const updateTrackingLink = defineCommand({
  operation: 'updateTrackingLink',
  topics: ['directory'],
  input: linkSettings.partial().extend({ linkId: idInput, campaignId: idInput.nullish() }),
  run: async (scope, { linkId, ...fields }) => {
    const where = { id: linkId, tenantId: scope.tenantId };
    const before = ownRow(scope, await scope.tx.trackingLink.findFirst({ where }));
    if (!before) throw notFound('tracking link', linkId);
    await requireOwnApp(scope, before.appId);
    if (fields.campaignId) await requireFittingCampaign(scope, before.appId, fields.campaignId);
    const after = given({ ...fields, ...(fields.targets === null ? { targets: [] } : {}) });
    await scope.tx.trackingLink.updateMany({ where, data: after as never });
    return {
      result: { id: linkId },
      audit: [{ action: 'link.updated', subjectId: linkId, before, after: { ...before, ...after } }],
    };
  },
});

export const createGoalCommand = defineCommand({
  operation: 'createGoal',
  topics: ['directory'],
  taken: 'The app has a goal of that name already, perhaps an archived one.',
  input: z.object({ appId: idInput, name, eventKind: z.enum(eventKinds), eventName: name.nullish() }),
  run: async (scope, fields) => {
    await requireOwnApp(scope, fields.appId);
    const id = newId('goal');
    await scope.tx.goal.create({
      data: { id, tenantId: scope.tenantId, ...fields, eventName: fields.eventName ?? null },
    });
    return { result: { id }, audit: [{ action: 'goal.created', subjectId: id, after: fields }] };
  },
});
