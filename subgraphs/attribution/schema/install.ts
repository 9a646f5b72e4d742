import { CodedError, parseInstallId, personIdOf } from '@tributary/schema';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  type IdReference,
  operationNow,
  ownsCampaign,
  parsePage,
  parseTimeRange,
  refusePartner,
  requireApp,
  type SubgraphContext,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { DecisionReader, StoredDecision } from '../decision-reader.ts';
import { type InstallFacts, type InstallReader, installCursorOf } from '../install-reader.ts';
import { decisionLoader, installLoader } from '../loaders.ts';

export interface InstallSchema {
  readonly kit: SubgraphKit;
  readonly deps: SubgraphDeps;
  readonly installs: InstallReader;
  readonly decisions: DecisionReader;
  readonly App: TypeRef<IdReference>;
  readonly Campaign: TypeRef<IdReference>;
  readonly Person: TypeRef<IdReference>;
  readonly Decision: TypeRef<StoredDecision>;
}

/**
 * The install of an id, if it is stored and of an app of the caller; for a partner, if its decision in force names a campaign of
 * theirs. Else NOT_FOUND, alike for unknown and foreign ids.
 */
export async function requireInstall(
  { deps, installs, decisions }: Pick<InstallSchema, 'deps' | 'installs' | 'decisions'>,
  context: SubgraphContext,
  id: string,
): Promise<InstallFacts> {
  const missing = () => new CodedError('NOT_FOUND', { message: 'There is no install of that id.', details: { id } });
  const parts = parseInstallId(id);
  if (!parts) throw missing();
  const { appId } = requireApp(context, deps.directory, parts.appId);
  const nowMs = operationNow(context, deps.clock);
  const found = await installLoader(context, installs, appId, nowMs).load(id);
  if (!found) throw missing();
  if (context.caller.partnerId == null) return found;
  const inForce = (await decisionLoader(context, decisions, appId, nowMs).load(id)).at(-1);
  if (!inForce?.campaignId || !ownsCampaign(context, deps.directory, inForce.campaignId)) throw missing();
  return found;
}

/** `Install`, its connection, `Query.install` and `Query.installs`. */
export function addInstall(schema: InstallSchema): TypeRef<InstallFacts> {
  const { kit, deps } = schema;
  const { builder, TimeRange } = kit;
  const Install = addInstallType(schema);
  const InstallConnection = addConnection(kit, 'Install', Install);
  builder.queryField('install', (t) =>
    t.field({
      type: Install,
      nullable: true,
      description: 'One install, decided or not. Unknown or foreign: NOT_FOUND.',
      args: { id: t.arg.id({ required: true, description: 'App, wire format and event id, `app:format:id`.' }) },
      resolve: (_root, { id }, context) => requireInstall(schema, context, id),
    }),
  );
  builder.queryField('installs', (t) =>
    t.field({
      type: InstallConnection,
      description: 'Installs of an app, newest first.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        range: t.arg({ type: TimeRange, required: true, description: 'When they were installed.' }),
        ...connectionArgs(t.arg),
      },
      resolve: async (_root, { appId, range, ...args }, context) => {
        const app = requireApp(context, deps.directory, appId);
        const page = parsePage(args);
        const rows = await schema.installs.readPage({
          tenantId: app.tenantId,
          appId: app.appId,
          range: parseTimeRange(range, operationNow(context, deps.clock)),
          page,
          partnerId: context.caller.partnerId ?? '',
        });
        return connectionOf(rows, page, installCursorOf);
      },
    }),
  );
  return Install;
}

function addInstallType(schema: InstallSchema) {
  const { kit, deps, decisions, App, Campaign, Person, Decision } = schema;
  const { builder } = kit;
  const revisionsOf = (install: InstallFacts, context: SubgraphContext) => {
    const { appId } = requireApp(context, deps.directory, install.appId);
    return decisionLoader(context, decisions, appId, operationNow(context, deps.clock)).load(install.id);
  };
  const Install = builder.objectRef<InstallFacts>('Install');
  Install.implement({
    description: 'An install of an app.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'App, wire format and event id, `app:format:id`.' }),
      app: t.field({ type: App, description: 'The app.', resolve: ({ appId }) => ({ id: appId }) }),
      person: t.field({
        type: Person,
        tag: 'personal',
        description: 'Whose device it is. FORBIDDEN for keys of partners.',
        resolve: ({ appId, deviceKey }, _args, context) => {
          refusePartner(context);
          return { id: personIdOf(appId, deviceKey) };
        },
      }),
      installedAt: t.expose('installedAt', {
        type: 'DateTime',
        description: 'First start, client time, skew-corrected.',
      }),
      country: t.exposeString('country', { nullable: true, description: 'ISO 3166-1 alpha-2.' }),
      platform: t.exposeString('platform', { nullable: true, description: 'As sent, e.g. `ios`.' }),
      campaign: t.field({
        type: Campaign,
        nullable: true,
        description: 'By the decision in force; null = organic or not decided yet.',
        resolve: async (install, _args, context) => {
          const campaignId = (await revisionsOf(install, context)).at(-1)?.campaignId ?? null;
          return campaignId === null ? null : { id: campaignId };
        },
      }),
      attribution: t.field({
        type: Decision,
        nullable: true,
        description: 'The decision in force; null until it is decided, moments after the install arrived.',
        resolve: async (install, _args, context) => (await revisionsOf(install, context)).at(-1) ?? null,
      }),
      history: t.field({
        type: [Decision],
        description: 'Every decision ever made, oldest first.',
        resolve: (install, _args, context) => revisionsOf(install, context),
      }),
    }),
  });
  builder.asEntity(Install, {
    key: builder.selection<{ id: string }>('id'),
    resolveReference: ({ id }, context) => requireInstall(schema, context, id),
  });
  return Install;
}
