import { type LinkTarget, linkTargetSchema } from '@tributary/schema';
import { z } from 'zod';
import type { SubgraphKit } from '../../src/kit.ts';
import type { CampaignsEnums } from './enums.ts';
import type { CampaignsTypes, SchemaDeps } from './types.ts';

const targetList = z.array(linkTargetSchema);

export function addTrackingLink(
  { builder }: SubgraphKit,
  types: CampaignsTypes,
  enums: CampaignsEnums,
  { loaders, collectorUrl }: SchemaDeps,
): void {
  const Target = builder.objectRef<LinkTarget>('LinkTarget').implement({
    description: 'Where a link sends some of its visitors; the first that fits wins.',
    fields: (t) => ({
      platform: t.expose('platform', {
        type: enums.LinkPlatform,
        nullable: true,
        description: 'Of this platform; null = of any.',
      }),
      country: t.exposeString('country', { nullable: true, description: 'From this country, ISO 3166; null = any.' }),
      url: t.exposeString('url', { description: 'Where they go; `{click_id}` is filled in.' }),
    }),
  });
  types.TrackingLink.implement({
    description: 'A link that records a click and sends the device on.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      slug: t.exposeString('slug', { description: 'Last part of its path; unique.' }),
      url: t.string({
        description: 'What goes into an ad.',
        resolve: ({ slug }) => `${collectorUrl}/c/${slug}`,
      }),
      targetUrl: t.exposeString('targetUrl', {
        description: 'Where the device is sent; `{click_id}` is filled in.',
      }),
      targets: t.field({
        type: [Target],
        description: 'Other places for some devices; empty = all go to `targetUrl`.',
        resolve: ({ targets }) => (targets === null ? [] : targetList.parse(targets)),
      }),
      deepLinkPath: t.exposeString('deepLinkPath', {
        nullable: true,
        description: 'What the app opens after an install by this link; null = its start.',
      }),
      campaign: t.field({
        type: types.Campaign,
        nullable: true,
        description: 'The campaign that its clicks count for; null = none.',
        resolve: ({ campaignId }, _args, context) =>
          campaignId === null ? null : loaders.campaign(context).load(campaignId),
      }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'From then on it answers 410; null = never.',
        resolve: ({ expiresAt }) => expiresAt?.getTime() ?? null,
      }),
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'From then on it answers 404; null = it works.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
}
