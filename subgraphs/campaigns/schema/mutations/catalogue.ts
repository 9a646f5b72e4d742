import {
  type Archivable,
  archiveCommands,
  createAdGroupCommand,
  createCampaignCommand,
  createCreativeCommand,
  createGoalCommand,
  createPartnerCommand,
  createTrackingLinkCommand,
  restoreCommands,
  updateCampaign,
  updatePartner,
  updateTrackingLink,
} from '@tributary/prisma/commands';
import { addMutation, type InputBuilder, type MutationKit, rowField } from './define.ts';

const named = (t: InputBuilder) => ({ name: t.string({ required: true, description: '1…200 characters.' }) });

function addCampaignMutations(m: MutationKit): void {
  const { enums, types, deps } = m;
  const { partner, campaign, adGroup, creative } = deps.loaders;
  addMutation(m, {
    command: createPartnerCommand,
    description: 'Makes a partner.',
    input: (t) => ({
      ...named(t),
      network: t.string({ required: true, description: 'The network name that its clicks carry; unique.' }),
    }),
    payload: (t) => ({ partner: rowField(t, types.Partner, partner, 'The partner.') }),
  });
  addMutation(m, {
    command: updatePartner,
    description: 'Renames a partner. Its network stays: stored events carry it.',
    input: (t) => ({ partnerId: t.id({ required: true, description: 'The partner.' }), ...named(t) }),
    payload: (t) => ({ partner: rowField(t, types.Partner, partner, 'The partner.') }),
  });
  addMutation(m, {
    command: createCampaignCommand,
    description: 'Makes a campaign of an app.',
    input: (t) => ({
      appId: t.id({ required: true, description: 'The app.' }),
      ...named(t),
      partnerId: t.id({ description: 'Who runs it; the app’s owner when left out.' }),
      network: t.string({ description: 'The partner’s when left out.' }),
      status: t.field({ type: enums.CampaignStatus, description: 'Default ACTIVE.' }),
    }),
    payload: (t) => ({ campaign: rowField(t, types.Campaign, campaign, 'The campaign.') }),
  });
  addMutation(m, {
    command: updateCampaign,
    description: 'Changes a campaign; what is left out stays. It never moves to another app.',
    clearable: ['partnerId', 'network'],
    input: (t) => ({
      campaignId: t.id({ required: true, description: 'The campaign.' }),
      name: t.string({ description: '1…200 characters.' }),
      partnerId: t.id({ description: 'Who runs it; null = the app’s owner.' }),
      network: t.string({ description: 'The network name that its clicks carry; null = none.' }),
      status: t.field({ type: enums.CampaignStatus, description: 'Whether it runs.' }),
    }),
    payload: (t) => ({ campaign: rowField(t, types.Campaign, campaign, 'The campaign.') }),
  });
  addMutation(m, {
    command: createAdGroupCommand,
    description: 'Makes an ad group of a campaign.',
    input: (t) => ({ campaignId: t.id({ required: true, description: 'The campaign.' }), ...named(t) }),
    payload: (t) => ({ adGroup: rowField(t, types.AdGroup, adGroup, 'The ad group.') }),
  });
  addMutation(m, {
    command: createCreativeCommand,
    description: 'Makes a creative of an ad group.',
    input: (t) => ({ adGroupId: t.id({ required: true, description: 'The ad group.' }), ...named(t) }),
    payload: (t) => ({ creative: rowField(t, types.Creative, creative, 'The creative.') }),
  });
}

function addLinkMutations(m: MutationKit): void {
  const { kit, enums, types, deps } = m;
  const { link, goal } = deps.loaders;
  const Target = kit.builder.inputType('LinkTargetInput', {
    description: 'Where a link sends some of its visitors; the first that fits wins.',
    fields: (t) => ({
      platform: t.field({ type: enums.LinkPlatform, description: 'Of this platform; any when left out.' }),
      country: t.string({ description: 'From this country, ISO 3166 alpha-2; any when left out.' }),
      url: t.string({ required: true, description: 'http(s) or store URL; `{click_id}` is filled in.' }),
    }),
  });
  const settings = (t: InputBuilder) => ({
    campaignId: t.id({ description: 'The campaign that its clicks count for, of the same app.' }),
    targets: t.field({ type: [Target], description: 'Other places for some devices; at most 50.' }),
    deepLinkPath: t.string({ description: 'What the app opens after an install by this link.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'From then on it answers 410.' }),
  });
  addMutation(m, {
    command: createTrackingLinkCommand,
    description: 'Makes a tracking link.',
    input: (t) => ({
      appId: t.id({ required: true, description: 'The app.' }),
      slug: t.string({ description: '3…64 letters, digits, `_`, `-`; unique; random when left out.' }),
      targetUrl: t.string({ required: true, description: 'http(s) or store URL; `{click_id}` is filled in.' }),
      ...settings(t),
    }),
    payload: (t) => ({ trackingLink: rowField(t, types.TrackingLink, link, 'The link.') }),
  });
  addMutation(m, {
    command: updateTrackingLink,
    description: 'Changes where a link leads; what is left out stays, null takes away. The slug stays.',
    clearable: ['campaignId', 'targets', 'deepLinkPath', 'expiresAt'],
    input: (t) => ({
      linkId: t.id({ required: true, description: 'The link.' }),
      targetUrl: t.string({ description: 'http(s) or store URL; `{click_id}` is filled in.' }),
      ...settings(t),
    }),
    payload: (t) => ({ trackingLink: rowField(t, types.TrackingLink, link, 'The link.') }),
  });
  addMutation(m, {
    command: createGoalCommand,
    description: 'Makes a goal: what counts as a conversion.',
    input: (t) => ({
      appId: t.id({ required: true, description: 'The app.' }),
      ...named(t),
      eventKind: t.field({ type: enums.EventKind, required: true, description: 'Events of this kind count.' }),
      eventName: t.string({ description: 'Only events of this name; any of the kind when left out.' }),
    }),
    payload: (t) => ({ goal: rowField(t, types.Goal, goal, 'The goal.') }),
  });
}

const nouns: Readonly<Record<Archivable, { readonly noun: string; readonly effect: string }>> = {
  partner: { noun: 'partner', effect: 'Reports still name it.' },
  campaign: { noun: 'campaign', effect: 'Its status becomes ARCHIVED; reports still name it.' },
  adGroup: { noun: 'ad group', effect: 'Reports still name it.' },
  creative: { noun: 'creative', effect: 'Reports still name it.' },
  trackingLink: { noun: 'tracking link', effect: 'It answers 404.' },
  goal: { noun: 'goal', effect: 'It counts no new conversions.' },
  savedReport: { noun: 'saved report', effect: 'It leaves the list.' },
  alert: { noun: 'alert', effect: 'It is looked at no more.' },
  costImport: { noun: 'cost import', effect: 'It is pulled no more.' },
};

/** `archive…` and `restore…` of all that can be put away. */
function addShelving(m: MutationKit): void {
  const { types, deps } = m;
  const { loaders } = deps;
  const shown = {
    partner: [types.Partner, loaders.partner],
    campaign: [types.Campaign, loaders.campaign],
    adGroup: [types.AdGroup, loaders.adGroup],
    creative: [types.Creative, loaders.creative],
    trackingLink: [types.TrackingLink, loaders.link],
    goal: [types.Goal, loaders.goal],
    savedReport: [types.SavedReport, loaders.savedReport],
    alert: [types.Alert, loaders.alert],
    costImport: [types.CostImport, loaders.costImport],
  } as const;
  for (const kind of Object.keys(nouns) as Archivable[]) {
    const { noun, effect } = nouns[kind];
    const [type, loader] = shown[kind];
    const scope = kind === 'savedReport' ? ('read:reports' as const) : ('admin' as const);
    const title = kind.charAt(0).toUpperCase() + kind.slice(1);
    const shared = {
      scope,
      input: (t: InputBuilder) => ({ id: t.id({ required: true, description: `The ${noun}.` }) }),
    };
    const what = `The ${noun}.`;
    addMutation(m, {
      ...shared,
      command: archiveCommands[kind],
      description: `Puts a ${noun} away. ${effect} \`restore${title}\` undoes it.`,
      payload: (t) => ({ [kind]: rowField(t, type as never, loader as never, what) }),
    });
    addMutation(m, {
      ...shared,
      command: restoreCommands[kind],
      description: `Undoes \`archive${title}\`.`,
      payload: (t) => ({ [kind]: rowField(t, type as never, loader as never, what) }),
    });
  }
}

/** Partners, campaigns, links, goals, and the shelf. */
export function addCatalogueMutations(m: MutationKit): void {
  addCampaignMutations(m);
  addLinkMutations(m);
  addShelving(m);
}
