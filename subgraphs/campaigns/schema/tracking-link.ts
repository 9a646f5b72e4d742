import type { CampaignsTypes, SchemaDeps } from './types.ts';

export function addTrackingLink(types: CampaignsTypes, { loaders, collectorUrl }: SchemaDeps): void {
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
    }),
  });
}
