import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import { indexDirectory } from '@tributary/platform/directory/lookup';
import { CodedError, type DirectoryApp, type DirectoryCampaign, mayReadApp, type Scope } from '@tributary/schema';
import type { LoaderRegistry, SubgraphContext } from './types.ts';

/** Throws FORBIDDEN unless the caller holds the scope. Scopes do not imply each other. */
export function requireScope(context: SubgraphContext, scope: Scope): void {
  if (!hasScope(context, scope)) {
    throw new CodedError('FORBIDDEN', { message: `This key lacks the scope ${scope}.`, details: { scope } });
  }
}

/** Throws FORBIDDEN for a partner's key: personal fields and what belongs to no campaign are never theirs. */
export function refusePartner({ caller }: SubgraphContext): void {
  if (caller.partnerId == null) return;
  throw new CodedError('FORBIDDEN', { message: 'Keys of partners may not read that.' });
}

/** Throws FORBIDDEN unless the caller may read personal fields: the scope `read:personal`, and no partner's key. */
export function requirePersonal(context: SubgraphContext): void {
  refusePartner(context);
  requireScope(context, 'read:personal');
}

export function hasScope(context: SubgraphContext, scope: Scope): boolean {
  return context.caller.scopes.includes(scope);
}

/**
 * The app, if it is the caller's: of their tenant and in their key's list. Also demands `read:reports`, without which
 * nothing of an app may be read. Throws NOT_FOUND alike for unknown and foreign apps, so that ids can't be probed.
 */
export function requireApp(context: SubgraphContext, directory: Directory, appId: string): DirectoryApp {
  requireScope(context, 'read:reports');
  const app = indexDirectory(directory.current()).appById.get(appId);
  if (!app || app.tenantId !== context.caller.tenantId || !mayReadApp(context.caller, app.appId)) {
    throw new CodedError('NOT_FOUND', { message: 'There is no app of that id.', details: { id: appId } });
  }
  return app;
}

/** Whether the directory says that a campaign is of the caller's tenant and, where a partner asks, of that partner. */
export function ownsCampaign({ caller }: SubgraphContext, directory: Directory, campaignId: string): boolean {
  const { tenantId, partnerId } = caller;
  const campaign = indexDirectory(directory.current()).campaignById.get(campaignId);
  return campaign?.tenantId === tenantId && (partnerId == null || campaign.partnerId === partnerId);
}

/** The campaign and its app, under the rules of `requireApp`. Throws NOT_FOUND. */
export function requireCampaign(
  context: SubgraphContext,
  directory: Directory,
  campaignId: string,
): { readonly campaign: DirectoryCampaign; readonly app: DirectoryApp } {
  requireScope(context, 'read:reports');
  const { campaignById, appById } = indexDirectory(directory.current());
  const campaign = campaignById.get(campaignId);
  const app = campaign && appById.get(campaign.appId);
  const isTheirs = ownsCampaign(context, directory, campaignId) && app?.tenantId === context.caller.tenantId;
  if (!campaign || !app || !isTheirs || !mayReadApp(context.caller, app.appId)) {
    throw new CodedError('NOT_FOUND', { message: 'There is no campaign of that id.', details: { id: campaignId } });
  }
  return { campaign, app };
}

/** No id of anything. */
export const nobodysId = '-';

/**
 * Campaigns to filter by: those of others become nobody's where a partner asks, so that they find nothing. The statements hold the same
 * wall; this one stands before them.
 */
export function ownCampaignIds(
  context: SubgraphContext,
  directory: Directory,
  campaignIds: readonly string[],
): readonly string[] {
  if (context.caller.partnerId == null) return campaignIds;
  return campaignIds.map((id) => (ownsCampaign(context, directory, id) ? id : nobodysId));
}

/** Whether what was made for that tenant, partner (`null` = none) and those apps is the caller's to read. */
export function isOwn(
  { caller }: SubgraphContext,
  made: { readonly tenantId: string; readonly partnerId: string | null; readonly appIds: readonly string[] },
): boolean {
  if (made.tenantId !== caller.tenantId || made.partnerId !== (caller.partnerId ?? null)) return false;
  return made.appIds.every((appId) => mayReadApp(caller, appId));
}

/** The clock as read once per operation, so that all fields of one answer speak of the same `now`. */
export function operationNow(context: SubgraphContext, clock: Clock): number {
  return context.loaders.get('now', () => clock.now());
}

/** Per-operation memo. Its keys need no tenant: a registry never outlives one caller's operation. */
export function createLoaderRegistry(): LoaderRegistry {
  const made = new Map<string, unknown>();
  return {
    get<T>(key: string, make: () => T): T {
      if (!made.has(key)) made.set(key, make());
      return made.get(key) as T;
    },
  };
}
