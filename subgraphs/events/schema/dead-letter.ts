import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import DataLoader from 'dataloader';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  idempotencyKeyDescription,
  operationNow,
  parsePage,
  parseTimeRange,
  refusePartner,
  requireApp,
  requirePersonal,
  requireScope,
  type SubgraphContext,
  type SubgraphKit,
  type TimeRangeInput,
  toUserErrors,
  type UserError,
  userErrorType,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import {
  type AppScope,
  createDeadLetterReader,
  type DeadLetterReader,
  type DeadLetterRow,
  deadLetterCursorOf,
} from '../dead-letter-reader.ts';
import { checkFixes } from '../domain/apply-fixes.ts';
import { lastReplaysQuery, type ReplayEvent, type ReplayOutcome, replayDeadLetters } from '../replay-dead-letters.ts';

interface DeadLetterNode extends DeadLetterRow {
  readonly appId: string;
}
interface FilterInput {
  range: TimeRangeInput;
  codes?: string[] | null | undefined;
  stages?: string[] | null | undefined;
}
interface FixInput {
  path: string;
  value: unknown;
  remove: boolean;
}
interface ReplayAnswer {
  readonly results: readonly ReplayOutcome[];
  /** More fit the filter than one request replays. */
  readonly more: boolean;
  readonly repeated: boolean;
  readonly userErrors: readonly UserError[];
}

export interface DeadLetterSchema {
  /** Absent: this process doesn't reach a collector, and replays are refused. */
  readonly replayEvent?: ReplayEvent;
  /** Reads and writes the outcomes; default: the readers' warehouse. */
  readonly writer: Warehouse;
}

const maxIds = 500;
const tag = 'internal';

const nodeIdOf = (appId: string, id: string) => `${appId}:${id}`;

function parseNodeId(id: string): { readonly appId: string; readonly letterId: string } {
  const at = id.indexOf(':');
  return { appId: id.slice(0, Math.max(0, at)), letterId: id.slice(at + 1) };
}

/** What may be read of the app, by those who run it: a partner's key never sees what was refused. */
function requireOwner(context: SubgraphContext, deps: SubgraphDeps, appId: string): AppScope {
  refusePartner(context);
  const { tenantId } = requireApp(context, deps.directory, appId);
  return { tenantId, appId, partnerId: context.caller.partnerId ?? '' };
}

function filterOf(context: SubgraphContext, deps: SubgraphDeps, { range, codes, stages }: FilterInput) {
  if ((codes?.length ?? 0) > 50 || (stages?.length ?? 0) > 5) {
    throw new CodedError('BAD_USER_INPUT', {
      message: 'codes takes at most 50, stages at most 5.',
      details: { field: 'filter' },
    });
  }
  return { range: parseTimeRange(range, operationNow(context, deps.clock)), codes: codes ?? [], stages: stages ?? [] };
}

function addDeadLetterType({ builder }: SubgraphKit, { writer }: DeadLetterSchema) {
  const Outcome = builder.objectRef<ReplayOutcome>('ReplayResult').implement({
    tag,
    description: 'What the collector said of a dead letter that was given to it again.',
    fields: (t) => ({
      deadLetterId: t.exposeID('deadLetterId', { description: 'Which dead letter.' }),
      verdict: t.string({
        description: '`ACCEPTED`, `DUPLICATE` or `REJECTED`.',
        resolve: ({ status }) => status.toUpperCase(),
      }),
      code: t.exposeString('code', { nullable: true, description: 'Why it was rejected, of the error catalogue.' }),
    }),
  });
  const lastReplays = (context: SubgraphContext, appId: string) => {
    const { tenantId } = context.caller;
    return context.loaders.get(
      `replays:${tenantId}:${appId}`,
      () =>
        new DataLoader<string, ReplayOutcome | null>(
          async (ids) => {
            const rows = await writer.query(lastReplaysQuery, { tenantId, appId, ids: [...ids] });
            const found = new Map(rows.map((one) => [one.deadLetterId, one]));
            return ids.map((id) => {
              const one = found.get(id);
              return one && one.status !== 'begun'
                ? { deadLetterId: nodeIdOf(appId, id), status: one.status, code: one.code || null }
                : null;
            });
          },
          { maxBatchSize: 100 },
        ),
    );
  };
  const DeadLetter = builder.objectRef<DeadLetterNode>('DeadLetter').implement({
    tag,
    description: 'An event that was refused, with the reason, kept whole so that it can be mended and replayed.',
    fields: (t) => ({
      id: t.id({ description: '`app:id`.', resolve: ({ appId, id }) => nodeIdOf(appId, id) }),
      stage: t.exposeString('stage', { description: 'Who refused it: `collector` or `consumer`.' }),
      code: t.exposeString('code', { description: 'Why, of the error catalogue.' }),
      field: t.string({
        nullable: true,
        description: 'The field that was wrong, if one was.',
        resolve: ({ field }) => field || null,
      }),
      message: t.exposeString('message', { description: 'Why, in words.' }),
      sourceFormat: t.exposeString('sourceFormat', { description: 'The wire format it came in.' }),
      eventId: t.string({
        nullable: true,
        description: 'Its event id, if it had one.',
        resolve: ({ eventId }) => eventId || null,
      }),
      receivedAt: t.expose('receivedAt', { type: 'DateTime', description: 'When the collector took it.' }),
      payload: t.string({
        tag: 'personal',
        nullable: true,
        description: 'What was sent, as text. Needs the scope read:personal.',
        resolve: ({ payload }, _args, context) => {
          requirePersonal(context);
          return payload;
        },
      }),
      lastReplay: t.field({
        type: Outcome,
        nullable: true,
        description: 'What came of its latest replay; null when there was none.',
        resolve: ({ appId, id }, _args, context) => lastReplays(context, appId).load(id),
      }),
    }),
  });
  return { DeadLetter, Outcome };
}

function addQueries(
  kit: SubgraphKit,
  deps: SubgraphDeps,
  reader: DeadLetterReader,
  DeadLetter: ReturnType<typeof addDeadLetterType>['DeadLetter'],
) {
  const { builder, TimeRange } = kit;
  const Filter = builder.inputRef<FilterInput>('DeadLetterFilter').implement({
    description: 'Which dead letters.',
    fields: (t) => ({
      range: t.field({ type: TimeRange, required: true, description: 'When the collector took them.' }),
      codes: t.stringList({ description: 'Reasons, of the error catalogue, at most 50; none = all.' }),
      stages: t.stringList({ description: '`collector`, `consumer`; none = both.' }),
    }),
  });
  const Connection = addConnection(kit, 'DeadLetter', DeadLetter, { tag });
  builder.queryFields((t) => ({
    deadLetters: t.field({
      type: Connection,
      tag,
      description: 'Events of an app that were refused, newest first.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        filter: t.arg({ type: Filter, required: true, description: 'Which.' }),
        ...connectionArgs(t.arg),
      },
      resolve: async (_root, { appId, filter, ...args }, context) => {
        const scope = requireOwner(context, deps, appId);
        const page = parsePage(args);
        const rows = await reader.readPage(scope, filterOf(context, deps, filter), page);
        return connectionOf(
          rows.map((row) => ({ ...row, appId })),
          page,
          deadLetterCursorOf,
        );
      },
    }),
    deadLetter: t.field({
      type: DeadLetter,
      tag,
      nullable: true,
      description: 'One dead letter. Unknown or foreign: NOT_FOUND.',
      args: { id: t.arg.id({ required: true, description: '`app:id`.' }) },
      resolve: async (_root, { id }, context) => {
        const { appId, letterId } = parseNodeId(id);
        const [row] = await reader.readByIds(requireOwner(context, deps, appId), [letterId]);
        if (!row)
          throw new CodedError('NOT_FOUND', { message: 'There is no dead letter of that id.', details: { id } });
        return { ...row, appId };
      },
    }),
  }));
  return Filter;
}

interface ReplayInput {
  appId: string;
  ids?: string[] | null | undefined;
  filter?: FilterInput | null | undefined;
  fixes: FixInput[];
  idempotencyKey: string;
}

function addReplayTypes(
  kit: SubgraphKit,
  Filter: ReturnType<typeof addQueries>,
  Outcome: ReturnType<typeof addDeadLetterType>['Outcome'],
) {
  const { builder } = kit;
  const Fix = builder.inputRef<FixInput>('PayloadFix').implement({
    description: 'A change of the payload before it is replayed.',
    fields: (t) => ({
      path: t.string({
        required: true,
        description: 'Keys and list places with dots between, e.g. `properties.price`.',
      }),
      // Pothos types an optional `unknown` as an object or null.
      value: t.field({ type: 'JSON', description: 'What is set there.' }) as never,
      remove: t.boolean({ required: true, defaultValue: false, description: 'True: what is there is removed.' }),
    }),
  });
  const Input = builder.inputRef<ReplayInput>('ReplayDeadLettersInput').implement({
    description: 'Which dead letters are replayed, and what is mended in each.',
    fields: (t) => ({
      appId: t.id({ required: true, description: 'The app.' }),
      ids: t.idList({ description: `These, at most ${maxIds}. Either ids or filter.` }),
      filter: t.field({ type: Filter, description: `Those that fit, the oldest ${maxIds}. Either ids or filter.` }),
      fixes: t.field({
        type: [Fix],
        required: true,
        defaultValue: [],
        description: 'Made in each payload, in this order; at most 20.',
      }),
      idempotencyKey: t.string({ required: true, description: idempotencyKeyDescription }),
    }),
  });
  const Answer = builder.objectRef<ReplayAnswer>('ReplayDeadLettersPayload').implement({
    tag,
    description: 'What came of a replay.',
    fields: (t) => ({
      results: t.field({
        type: [Outcome],
        description: 'One per dead letter, oldest first.',
        resolve: (answer) => [...answer.results],
      }),
      more: t.exposeBoolean('more', { description: 'More fit the filter: ask again for what came later.' }),
      repeated: t.exposeBoolean('repeated', { description: 'This request was made before under its key.' }),
      userErrors: t.field({
        type: [userErrorType(kit)],
        description: 'Why nothing was done; empty otherwise.',
        resolve: (answer) => [...answer.userErrors],
      }),
    }),
  });
  return { Input, Answer };
}

/** `DeadLetter`, its queries, and `Mutation.replayDeadLetters`. */
export function addDeadLetters(kit: SubgraphKit, deps: SubgraphDeps, schema: DeadLetterSchema): void {
  const { builder } = kit;
  const reader = createDeadLetterReader(deps.warehouse);
  const { DeadLetter, Outcome } = addDeadLetterType(kit, schema);
  const Filter = addQueries(kit, deps, reader, DeadLetter);
  const { Input, Answer } = addReplayTypes(kit, Filter, Outcome);
  builder.mutationFields((t) => ({
    replayDeadLetters: t.field({
      type: Answer,
      tag,
      description: 'Gives refused events to the collector again, mended. Needs the scope admin. Idempotent by its key.',
      args: { input: t.arg({ type: Input, required: true, description: 'Which, and how mended.' }) },
      resolve: async (_root, { input }, context): Promise<ReplayAnswer> => {
        requireScope(context, 'admin');
        try {
          return await replay({ deps, schema, reader }, input as ReplayInput, context);
        } catch (error) {
          return { results: [], more: false, repeated: false, userErrors: toUserErrors(error) };
        }
      },
    }),
  }));
}

function refuse(field: string, message: string): never {
  throw new CodedError('BAD_USER_INPUT', { message, details: { field } });
}

interface Replaying {
  readonly deps: SubgraphDeps;
  readonly schema: DeadLetterSchema;
  readonly reader: DeadLetterReader;
}

async function replay(
  { deps, schema, reader }: Replaying,
  input: ReplayInput,
  context: SubgraphContext,
): Promise<ReplayAnswer> {
  const scope = requireOwner(context, deps, input.appId);
  const { appId } = scope;
  const { ids, filter, idempotencyKey } = input;
  if ((ids == null) === (filter == null)) refuse('ids', 'A replay takes ids or a filter.');
  if (ids && (ids.length < 1 || ids.length > maxIds)) refuse('ids', `ids takes 1…${maxIds}.`);
  if (idempotencyKey.length < 1 || idempotencyKey.length > 200)
    refuse('idempotencyKey', 'idempotencyKey takes 1…200 characters.');
  if (input.fixes.length > 20) refuse('fixes', 'fixes takes at most 20.');
  const fixes = input.fixes.map(({ path, value, remove }) => ({ path, value: value ?? null, remove }));
  checkFixes(fixes);
  const { replayEvent } = schema;
  if (!replayEvent) throw new CodedError('NOT_READY', { message: 'This part of the graph reaches no collector.' });
  const found = filter
    ? await reader.readIds(scope, filterOf(context, deps, filter), maxIds + 1)
    : (ids ?? []).map((id) => parseNodeId(id)).flatMap((one) => (one.appId === appId ? [one.letterId] : []));
  const { outcomes, repeated } = await replayDeadLetters(
    { reader, warehouse: schema.writer, clock: deps.clock, replayEvent },
    { scope, ids: found.slice(0, maxIds), fixes, idempotencyKey, question: [ids ?? null, filter ?? null, fixes] },
  );
  const results = outcomes.map((one) => ({ ...one, deadLetterId: nodeIdOf(appId, one.deadLetterId) }));
  return { results, more: found.length > maxIds, repeated, userErrors: [] };
}
