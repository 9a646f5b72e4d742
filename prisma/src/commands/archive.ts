import { z } from 'zod';
import { notFound } from '../accounts.ts';
import type { ChangeTopic } from '../changes.ts';
import { type Command, type CommandScope, defineCommand } from './command.ts';
import { idInput, ownRow, requireOwnApp, requireWholeTenant } from './scope.ts';

/** What can be put away and taken out again. Nothing is deleted: history names it. */
export const archivables = [
  'partner',
  'campaign',
  'adGroup',
  'creative',
  'trackingLink',
  'goal',
  'savedReport',
  'alert',
  'costImport',
] as const;
export type Archivable = (typeof archivables)[number];

interface Kind {
  readonly noun: string;
  readonly topics: readonly ChangeTopic[];
  /** Where the app of it is found; null = it is the organisation's. */
  readonly appOf: ((scope: CommandScope, id: string) => Promise<string | undefined>) | null;
}

const byOwnApp = (kind: 'trackingLink' | 'goal' | 'savedReport' | 'alert' | 'campaign') => {
  return async ({ tx, tenantId }: CommandScope, id: string) => {
    const found = { where: { id, tenantId }, select: { appId: true } } as const;
    // One call a table: the client's types don't add up over several.
    switch (kind) {
      case 'trackingLink':
        return (await tx.trackingLink.findFirst(found))?.appId;
      case 'goal':
        return (await tx.goal.findFirst(found))?.appId;
      case 'savedReport':
        return (await tx.savedReport.findFirst(found))?.appId;
      case 'alert':
        return (await tx.alert.findFirst(found))?.appId;
      case 'campaign':
        return (await tx.campaign.findFirst(found))?.appId;
    }
  };
};

const kinds: Readonly<Record<Archivable, Kind>> = {
  partner: { noun: 'partner', topics: [], appOf: null },
  costImport: { noun: 'cost_import', topics: [], appOf: null },
  campaign: { noun: 'campaign', topics: ['directory', 'mirrors'], appOf: byOwnApp('campaign') },
  trackingLink: { noun: 'link', topics: ['directory'], appOf: byOwnApp('trackingLink') },
  goal: { noun: 'goal', topics: ['directory'], appOf: byOwnApp('goal') },
  savedReport: { noun: 'report', topics: [], appOf: byOwnApp('savedReport') },
  alert: { noun: 'alert', topics: [], appOf: byOwnApp('alert') },
  adGroup: {
    noun: 'ad_group',
    topics: [],
    appOf: async ({ tx, tenantId }, id) =>
      (await tx.adGroup.findFirst({ where: { id, tenantId }, select: { campaign: { select: { appId: true } } } }))
        ?.campaign.appId,
  },
  creative: {
    noun: 'creative',
    topics: [],
    appOf: async ({ tx, tenantId }, id) =>
      (
        await tx.creative.findFirst({
          where: { id, tenantId },
          select: { adGroup: { select: { campaign: { select: { appId: true } } } } },
        })
      )?.adGroup.campaign.appId,
  },
};

/** Sets or clears `archivedAt`, where it isn't so already. Returns how many rows there are of that id. */
async function setArchived({ tx, tenantId, nowMs }: CommandScope, kind: Archivable, id: string, archived: boolean) {
  const where = { id, tenantId };
  const data = { archivedAt: archived ? new Date(nowMs) : null };
  switch (kind) {
    case 'campaign':
      return (await tx.campaign.updateMany({ where, data: { status: archived ? 'ARCHIVED' : 'ACTIVE' } })).count;
    case 'partner':
      return (await tx.partner.updateMany({ where, data })).count;
    case 'adGroup':
      return (await tx.adGroup.updateMany({ where, data })).count;
    case 'creative':
      return (await tx.creative.updateMany({ where, data })).count;
    case 'trackingLink':
      return (await tx.trackingLink.updateMany({ where, data })).count;
    case 'goal':
      return (await tx.goal.updateMany({ where, data })).count;
    case 'savedReport':
      return (await tx.savedReport.updateMany({ where, data })).count;
    case 'alert':
      // What fires no more is not left firing.
      return (await tx.alert.updateMany({ where, data: { ...data, state: 'OK', stateAt: new Date(nowMs) } })).count;
    case 'costImport':
      return (await tx.costImport.updateMany({ where, data })).count;
  }
}

function shelving(kind: Archivable, archived: boolean): Command<{ id: string }> {
  const { noun, topics, appOf } = kinds[kind];
  const title = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  return defineCommand({
    operation: `${archived ? 'archive' : 'restore'}${title}`,
    topics,
    input: z.object({ id: idInput }),
    run: async (scope, { id }) => {
      if (appOf === null) {
        requireWholeTenant(scope);
        const where = { id, tenantId: scope.tenantId };
        const row = await (kind === 'partner'
          ? scope.tx.partner.findFirst({ where })
          : scope.tx.costImport.findFirst({ where }));
        if (!ownRow(scope, row)) throw notFound(noun.replace('_', ' '), id);
      } else {
        const appId = await appOf(scope, id);
        if (appId === undefined) throw notFound(noun.replace('_', ' '), id);
        await requireOwnApp(scope, appId);
      }
      if ((await setArchived(scope, kind, id, archived)) === 0) throw notFound(noun.replace('_', ' '), id);
      return { result: { id }, audit: [{ action: `${noun}.${archived ? 'archived' : 'restored'}`, subjectId: id }] };
    },
  });
}

export const archiveCommands = Object.fromEntries(archivables.map((kind) => [kind, shelving(kind, true)])) as Record<
  Archivable,
  Command<{ id: string }>
>;
export const restoreCommands = Object.fromEntries(archivables.map((kind) => [kind, shelving(kind, false)])) as Record<
  Archivable,
  Command<{ id: string }>
>;
