import { fraudModel } from '@tributary/models';
import { CodedError } from '@tributary/schema';
import { type IdReference, requireApp, type SubgraphKit, type TypeRef } from '../../src/kit.ts';
import { parseStreamArgs, payloadsOf, type StreamPayload, streamArgs } from '../../src/stream-field.ts';
import type { StreamHub } from '../../src/stream-hub.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import { fraudFrom } from '../domain/fraud-verdict.ts';
import { type FraudFlag, readFlags } from '../flag-reader.ts';

export interface FlagSchema {
  readonly Install: TypeRef<IdReference>;
  readonly App: TypeRef<IdReference>;
  readonly hub: StreamHub;
  readonly settleMs: number;
}

function addPayload({ builder }: SubgraphKit, { Install, App }: FlagSchema) {
  const Flag = builder.objectRef<FraudFlag>('FraudFlag').implement({
    description: 'An install whose fraud score reached the bound.',
    fields: (t) => ({
      install: t.field({ type: Install, description: 'The install.', resolve: ({ installId }) => ({ id: installId }) }),
      score: t.exposeFloat('score', { description: '0…1, as it was then.' }),
      because: t.exposeStringList('reasons', { description: 'What spoke for fraud, strongest first.' }),
      modelVersion: t.exposeString('version', { description: 'Version of the model that said so.' }),
      scoredAt: t.expose('scoredAt', { type: 'DateTime', description: 'When.' }),
    }),
  });
  return builder.objectRef<StreamPayload<FraudFlag>>('FraudFlags').implement({
    description: 'Flagged installs in the order of scoring.',
    fields: (t) => ({
      app: t.field({ type: App, description: 'The app.', resolve: ({ appId }) => ({ id: appId }) }),
      flags: t.field({
        type: [Flag],
        description: 'Up to 100; empty in the first payload of a stream without `after`.',
        resolve: ({ values }) => [...values],
      }),
      cursor: t.exposeString('cursor', { description: 'Pass as `after` to go on from here.' }),
    }),
  });
}

/** `Subscription.fraudFlagged`. */
export function addFraudFlagged(kit: SubgraphKit, deps: SubgraphDeps, schema: FlagSchema): void {
  const Payload = addPayload(kit, schema);
  const { hub, settleMs } = schema;
  kit.builder.subscriptionType({});
  kit.builder.subscriptionField('fraudFlagged', (t) =>
    t.field({
      type: Payload,
      description:
        'Every install that is scored as fraud, a few seconds after that. None is skipped; a reader that falls too far behind gets SUBSCRIBER_TOO_SLOW with its last cursor in `extensions.details.cursor`.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        minScore: t.arg.float({
          required: true,
          defaultValue: fraudFrom,
          description: 'Scores from here on, 0…1.',
        }),
        ...streamArgs(t.arg),
      },
      subscribe: (_root, { appId, minScore, ...args }, context) => {
        const { tenantId } = requireApp(context, deps.directory, appId);
        if (!(minScore >= 0 && minScore <= 1)) {
          throw new CodedError('BAD_USER_INPUT', { message: 'minScore takes 0…1.', details: { field: 'minScore' } });
        }
        const options = parseStreamArgs('flags', appId, args, deps.clock.now());
        const partnerId = context.caller.partnerId ?? '';
        const scope = { tenantId, appId, partnerId, model: fraudModel.name, minScore };
        const settled = () => deps.clock.now() - settleMs;
        const batches = hub.subscribe<FraudFlag>(
          JSON.stringify(['flags', scope]),
          {
            read: (after, limit, signal) =>
              readFlags(deps.warehouse, scope, { after, limit, signal, settledMs: settled() }),
            horizon: async () => settled(),
            subscribe: (wake) =>
              deps.liveBus.subscribe('fraud.flagged', (message) => {
                if (message.tenantId === tenantId && message.appId === appId) wake();
              }),
          },
          { ...options, signal: context.signal },
        );
        return payloadsOf(batches, ({ values, position }) => ({ appId, values, cursor: options.cursorOf(position) }));
      },
      resolve: (payload) => payload as StreamPayload<FraudFlag>,
    }),
  );
}
