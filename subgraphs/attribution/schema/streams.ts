import { CodedError, type InstallVerdict, trimDecimal } from '@tributary/schema';
import {
  type IdReference,
  ownCampaignIds,
  requireApp,
  type SubgraphContext,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import { parseStreamArgs, payloadsOf, type StreamPayload, streamArgs } from '../../src/stream-field.ts';
import type { StreamHub } from '../../src/stream-hub.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { InstallFacts } from '../install-reader.ts';
import {
  type DecidedInstall,
  readConversions,
  readDecidedInstalls,
  type StoredConversion,
  type StreamPage,
} from '../stream-reader.ts';
import type { AttributionEnums } from './enums.ts';

export interface StreamSchema {
  readonly kit: SubgraphKit;
  readonly deps: SubgraphDeps;
  readonly hub: StreamHub;
  readonly settleMs: number;
  readonly enums: AttributionEnums;
  readonly App: TypeRef<IdReference>;
  readonly Campaign: TypeRef<IdReference>;
  readonly Install: TypeRef<InstallFacts>;
  /** The install of an id; NOT_FOUND when it is not stored. */
  readonly requireInstall: (context: SubgraphContext, id: string) => Promise<InstallFacts>;
}

const maxValues = 50;

function listOf(field: string, values: readonly string[] | null | undefined): readonly string[] {
  const list = [...new Set(values ?? [])].sort();
  if (list.length <= maxValues) return list;
  throw new CodedError('BAD_USER_INPUT', {
    message: `${field} takes at most ${maxValues} values.`,
    details: { field, limit: maxValues },
  });
}

const listHint = `Up to ${maxValues}, any of which will do; none = all.`;
const slowHint =
  'None is skipped; a reader that falls too far behind gets SUBSCRIBER_TOO_SLOW with its last cursor in `extensions.details.cursor`.';

/** What both streams share: the scope of the caller, positions by deciding time, and waking by a topic. */
function openStream<T>(
  { deps, hub, settleMs }: StreamSchema,
  stream: {
    readonly name: string;
    readonly topic: 'install.attributed' | 'conversion.recorded';
    readonly appId: string;
    readonly filter: object;
    readonly args: { readonly after?: string | null | undefined; readonly minIntervalMs: number };
    readonly context: SubgraphContext;
    readonly read: (
      scope: { tenantId: string; appId: string; partnerId: string },
      page: StreamPage,
    ) => ReturnType<Parameters<StreamHub['subscribe']>[1]['read']>;
  },
): AsyncIterableIterator<StreamPayload<T>> {
  const { name, topic, appId, context } = stream;
  const { tenantId } = requireApp(context, deps.directory, appId);
  const options = parseStreamArgs(name, appId, stream.args, deps.clock.now());
  const scope = { tenantId, appId, partnerId: context.caller.partnerId ?? '' };
  const settled = () => deps.clock.now() - settleMs;
  const batches = hub.subscribe<T>(
    JSON.stringify([name, scope, stream.filter]),
    {
      read: (after, limit, signal) => stream.read(scope, { after, limit, signal, settledMs: settled() }) as never,
      horizon: async () => settled(),
      subscribe: (wake) =>
        deps.liveBus.subscribe(topic, (message) => {
          if (message.tenantId === tenantId && message.appId === appId) wake();
        }),
    },
    { ...options, signal: context.signal },
  );
  return payloadsOf(batches, ({ values, position }) => ({ appId, values, cursor: options.cursorOf(position) }));
}

function addInstallAttributed(schema: StreamSchema): void {
  const { builder } = schema.kit;
  const Payload = builder.objectRef<StreamPayload<DecidedInstall>>('InstallsAttributed').implement({
    description: 'Installs in the order in which they were decided.',
    fields: (t) => ({
      app: t.field({ type: schema.App, description: 'The app.', resolve: ({ appId }) => ({ id: appId }) }),
      installs: t.field({
        type: [schema.Install],
        description:
          'Up to 100; an install comes again whenever its decision changes. Empty in the first payload of a stream without `after`.',
        resolve: ({ values }, _args, context) =>
          Promise.all(values.map(({ installId }) => schema.requireInstall(context, installId))),
      }),
      cursor: t.exposeString('cursor', { description: 'Pass as `after` to go on from here.' }),
    }),
  });
  builder.subscriptionField('installAttributed', (t) =>
    t.field({
      type: Payload,
      description: `Every decision about an install, a few seconds after it was made. ${slowHint}`,
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        campaignIds: t.arg.idList({ description: `Decided for one of these campaigns. ${listHint}` }),
        verdicts: t.arg({ type: [schema.enums.Verdict], description: `Of these verdicts; none = all.` }),
        ...streamArgs(t.arg),
      },
      subscribe: (_root, { appId, campaignIds, verdicts, ...args }, context) => {
        const filter = {
          campaignIds: ownCampaignIds(context, schema.deps.directory, listOf('campaignIds', campaignIds)),
          verdicts: listOf('verdicts', verdicts as readonly InstallVerdict[] | null | undefined),
        };
        const read = (scope: { tenantId: string; appId: string; partnerId: string }, page: StreamPage) =>
          readDecidedInstalls(schema.deps.warehouse, { ...scope, ...filter }, page);
        const name = 'installs';
        return openStream<DecidedInstall>(schema, {
          name,
          topic: 'install.attributed',
          appId,
          filter,
          args,
          context,
          read,
        });
      },
      resolve: (payload) => payload as StreamPayload<DecidedInstall>,
    }),
  );
}

function addConversionType({ kit: { builder, Money }, Campaign, Install, requireInstall }: StreamSchema) {
  return builder.objectRef<StoredConversion>('Conversion').implement({
    description: 'A goal event with its value, and what led to it.',
    fields: (t) => ({
      id: t.exposeID('conversionId', { description: 'Install-like id of the event, `#`, id of the goal.' }),
      revision: t.exposeInt('revision', { description: '1 for the first; +1 when its touchpoints changed.' }),
      goalId: t.exposeID('goal', { description: 'The goal it met.' }),
      convertedAt: t.expose('convertedAt', { type: 'DateTime', description: 'When.' }),
      value: t.field({
        type: Money,
        nullable: true,
        description: 'What it is worth; null without an amount.',
        resolve: ({ amount, currency }) => (currency === '' ? null : { amount: trimDecimal(amount), currency }),
      }),
      campaigns: t.field({
        type: [Campaign],
        description: 'Campaigns that touched it, oldest first, repeats kept. A partner sees its own only.',
        resolve: ({ campaignIds }) => campaignIds.map((id) => ({ id })),
      }),
      install: t.field({
        type: Install,
        nullable: true,
        description: 'The latest install of the device before it, if one is known.',
        resolve: async ({ installId }, _args, context) => {
          if (installId === '') return null;
          // A partner may have touched a conversion of an install that is another's.
          return requireInstall(context, installId).catch((error: unknown) => {
            if (error instanceof CodedError && error.code === 'NOT_FOUND') return null;
            throw error;
          });
        },
      }),
    }),
  });
}

function addConversion(schema: StreamSchema): void {
  const { builder } = schema.kit;
  const Conversion = addConversionType(schema);
  const Payload = builder.objectRef<StreamPayload<StoredConversion>>('Conversions').implement({
    description: 'Conversions in the order in which their journeys were stored.',
    fields: (t) => ({
      app: t.field({ type: schema.App, description: 'The app.', resolve: ({ appId }) => ({ id: appId }) }),
      conversions: t.field({
        type: [Conversion],
        description:
          'Up to 100; one comes again when its touchpoints changed. Empty in the first payload of a stream without `after`.',
        resolve: ({ values }) => [...values],
      }),
      cursor: t.exposeString('cursor', { description: 'Pass as `after` to go on from here.' }),
    }),
  });
  builder.subscriptionField('conversion', (t) =>
    t.field({
      type: Payload,
      description: `Every conversion, a few seconds after its journey was built. ${slowHint}`,
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        goalIds: t.arg.idList({ description: `Of these goals. ${listHint}` }),
        campaignIds: t.arg.idList({ description: `Touched by one of these campaigns. ${listHint}` }),
        ...streamArgs(t.arg),
      },
      subscribe: (_root, { appId, goalIds, campaignIds, ...args }, context) => {
        const filter = {
          goalIds: listOf('goalIds', goalIds),
          campaignIds: ownCampaignIds(context, schema.deps.directory, listOf('campaignIds', campaignIds)),
        };
        const read = (scope: { tenantId: string; appId: string; partnerId: string }, page: StreamPage) =>
          readConversions(schema.deps.warehouse, { ...scope, ...filter }, page);
        const name = 'conversions';
        return openStream<StoredConversion>(schema, {
          name,
          topic: 'conversion.recorded',
          appId,
          filter,
          args,
          context,
          read,
        });
      },
      resolve: (payload) => payload as StreamPayload<StoredConversion>,
    }),
  );
}

/** `Subscription.installAttributed` and `Subscription.conversion`. */
export function addStreams(schema: StreamSchema): void {
  schema.kit.builder.subscriptionType({});
  addInstallAttributed(schema);
  addConversion(schema);
}
