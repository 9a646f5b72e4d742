// Over 400 lines: one table of every operation of the API, so that a missing entry is seen and a test can count them.
import {
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import type { Question } from './isolation-ask.testing.ts';
import { documentOf, type Given, type RootCall, rootOf } from './isolation-selection.testing.ts';
import type { Ids, KeyName, Share, TenantName, TenantWorld } from './isolation-world.testing.ts';

export const categories = [
  'id',
  'list',
  'cursor',
  'loader',
  'cache',
  'entity',
  'mutation',
  'key',
  'subscription',
  'download',
] as const;
export type Category = (typeof categories)[number];

export interface Asking {
  readonly tenant: TenantName;
  readonly key: KeyName;
}

/** Somebody asks for what is somebody else's. */
export interface Operation {
  readonly name: string;
  readonly category: Category;
  readonly asker: Asking;
  /** Whose it is, and who asks the same first, so that whatever keeps answers has one. */
  readonly owner: { readonly tenant: TenantName; readonly share: Share };
  readonly via: 'post' | 'get' | 'listen' | 'download' | 'entity';
  /** Of the subgraph that is asked without the gateway. */
  readonly subgraph?: string;
  readonly question: Question;
  /** What the owner asks first; null = nothing. */
  readonly warm: Question | null;
  /** Whether it names what is not the asker's; else it lists what is there. */
  readonly foreign: boolean;
}

export type Tenants = Readonly<Record<TenantName, TenantWorld>>;

interface Swap {
  readonly asker: Asking;
  readonly owner: { readonly tenant: TenantName; readonly share: Share };
}

const swap = (from: TenantName, key: KeyName, tenant: TenantName, share: Share): Swap => ({
  asker: { tenant: from, key },
  owner: { tenant, share },
});
/** Of two tenants, and of two partners in one. */
const tenantSwap = swap('b', '0', 'a', '0');
const partnerSwap = swap('a', '1', 'a', '2');
const tenantSwaps: readonly Swap[] = [tenantSwap, swap('a', '0', 'b', '1'), swap('a', '1', 'b', '1')];
const roleSwaps: readonly Swap[] = [swap('b', 'analyst', 'a', '0'), swap('b', 'readOnly', 'a', '2')];
const partnerSwaps: readonly Swap[] = [partnerSwap, swap('a', '2', 'a', '0')];
const mainSwaps: readonly Swap[] = [tenantSwap, swap('a', '0', 'b', '1'), partnerSwap];
const partners = new Set<KeyName>(['1', '2']);

/** The ids that an owner has of a kind; what all of a tenant share is no partner's alone. */
export function idsOf(tenant: TenantWorld, share: Share, kind: string): readonly string[] {
  const of = (ids: Ids) => ids[kind] ?? [];
  return [...of(tenant.ids[share]), ...of(tenant.ids.x)];
}

/** What kind of thing an id argument names. A new argument must be given its kind here, or the trial fails. */
const kindOfArgument: Readonly<Record<string, string>> = {
  appId: 'app',
  appIds: 'app',
  alertId: 'alert',
  jobId: 'job',
  campaignId: 'campaign',
  campaignIds: 'campaign',
  goalIds: 'goal',
  adGroupId: 'adGroup',
  partnerId: 'partner',
  memberId: 'member',
  linkId: 'link',
  reportId: 'savedReport',
  importId: 'costImport',
  ids: 'deadLetter',
};
const kindById: Readonly<Record<string, string>> = { trackingLink: 'link', exportProgress: 'exportJob' };

function kindOf(field: string, argument: string): string {
  if (argument === 'keyId') return /WriteKey/.test(field) ? 'writeKey' : 'apiKey';
  if (argument === 'id') {
    const noun = field.replace(/^(archive|restore)(.)/, (_all, _verb, letter: string) => letter.toLowerCase());
    return kindById[noun] ?? noun;
  }
  const kind = kindOfArgument[argument];
  if (kind === undefined) throw new Error(`The trial doesn't know what ${field}(${argument}) names.`);
  return kind;
}

const now = () => new Date();
const today = () => now().toISOString().slice(0, 10);

/** Values of arguments that name nothing. */
const plain: Readonly<Record<string, unknown>> = {
  range: { lastDays: 2 },
  filter: { range: { lastDays: 2 } },
  first: 5,
  window: 'LAST_HOUR',
  minScore: 0.5,
  includeArchived: true,
  includeRevoked: true,
  includeRemoved: true,
  metrics: ['EVENTS', 'REVENUE', 'COST', 'INSTALLS', 'CONVERSIONS', 'CONVERSION_VALUE', 'FRAUD_INSTALLS'],
  dimensions: ['CAMPAIGN', 'PARTNER'],
  firstDay: '2026-01-01',
  lastDay: '2026-12-31',
};
/** A live filter names no range. */
const withoutFilter = new Set(['liveEvents']);

interface RootArguments {
  readonly ids: readonly {
    readonly name: string;
    readonly kind: string;
    readonly list: boolean;
    readonly required: boolean;
  }[];
  readonly plain: readonly Given[];
  readonly hasCursor: boolean;
}

function argumentsOf(schema: GraphQLSchema, operation: 'query' | 'subscription', field: string): RootArguments {
  const { args } = rootOf(schema, operation).getFields()[field]!;
  const ids = args.filter((arg) => getNamedType(arg.type).name === 'ID');
  const given = args.filter((arg) => arg.name in plain && !(arg.name === 'filter' && withoutFilter.has(field)));
  const unknown = args.filter((arg) => isRequiredArgument(arg) && !ids.includes(arg) && !given.includes(arg));
  if (unknown.length > 0) throw new Error(`The trial can't ask ${field}(${unknown.map((arg) => arg.name)}).`);
  return {
    ids: ids.map((arg) => ({
      name: arg.name,
      kind: kindOf(field, arg.name),
      list: /^\[/.test(String(arg.type)),
      required: isNonNullType(arg.type),
    })),
    plain: given.map(({ name }) => ({ name, value: plain[name] })),
    hasCursor: args.some((arg) => arg.name === 'after'),
  };
}

export interface Generated {
  readonly tenants: Tenants;
  readonly whole: GraphQLSchema;
  /** Partners' smaller graph. */
  readonly contract: GraphQLSchema;
  /** A cursor that an owner got from a list; null = the list is empty for them. */
  cursorOf(owner: Swap['owner'], field: string, given: readonly Given[]): Promise<string | null>;
}

/** Ids of the owner's, or null where the kind is not theirs alone (what an app's partners share) or they have none. */
function foreignIds(
  { tenants }: Pick<Generated, 'tenants'>,
  { asker, owner }: Swap,
  kind: string,
): readonly string[] | null {
  const theirs = tenants[owner.tenant];
  const ids = asker.tenant === owner.tenant ? (theirs.ids[owner.share][kind] ?? []) : idsOf(theirs, owner.share, kind);
  return ids.length === 0 ? null : ids;
}

const givenAs = (ids: readonly string[], list: boolean) => (list ? [...ids] : ids[0]);
const label = ({ asker, owner }: Swap, what: string) =>
  `${what} of ${owner.tenant}${owner.share}, asked by ${asker.tenant}${asker.key}`;

function ownIds({ tenants }: Generated, asker: Asking, kind: string): readonly string[] {
  const share = partners.has(asker.key) ? (asker.key as Share) : '0';
  return idsOf(tenants[asker.tenant], share, kind);
}

/** Each id argument of each root field, foreign in turn, the others the asker's own where that makes sense. */
function byIds(world: Generated, schema: GraphQLSchema, operation: 'query' | 'subscription', one: Swap): Operation[] {
  return Object.keys(rootOf(schema, operation).getFields()).flatMap((field) => {
    const { ids, plain: given } = argumentsOf(schema, operation, field);
    return ids.flatMap((foreign): Operation[] => {
      const theirs = foreignIds(world, one, foreign.kind);
      if (theirs === null) return [];
      const others = ids.filter((id) => id !== foreign && id.required);
      const own = others.map(
        (id): Given => ({ name: id.name, value: givenAs(ownIds(world, one.asker, id.kind), id.list) }),
      );
      const their = others.map((id): Given => {
        const { tenant, share } = one.owner;
        return { name: id.name, value: givenAs(idsOf(world.tenants[tenant], share, id.kind), id.list) };
      });
      const named: Given = { name: foreign.name, value: givenAs(theirs, foreign.list) };
      const [app] = foreign.kind === 'app' ? theirs : ownIds(world, one.asker, 'app');
      const after: readonly Given[] = operation === 'subscription' ? cursorGiven(field, app!) : [];
      const question = (rest: readonly Given[]) =>
        documentOf(
          schema,
          operation,
          [{ alias: 'it', field, given: [named, ...rest, ...given, ...after] }],
          operation === 'query' ? 2 : 1,
        );
      const category = operation === 'subscription' ? 'subscription' : 'id';
      return [
        {
          ...one,
          ...{
            name: label(one, `${operation === 'query' ? '' : 'stream of '}${field}(${foreign.name})`),
            category,
            foreign: true,
          },
          via: operation === 'subscription' ? 'listen' : 'post',
          question: question(own),
          warm: operation === 'subscription' ? null : question(their),
        },
      ];
    });
  });
}

/** What is the asker's own, narrowed to what somebody else's id names. */
function byFilters(world: Generated, schema: GraphQLSchema, one: Swap): Operation[] {
  const appId = world.tenants[one.asker.tenant].appId;
  const { plain: given } = argumentsOf(schema, 'query', 'report');
  const shared = { ...one, foreign: true, warm: null };
  const reports = ['campaign', 'partner'].flatMap((kind): Operation[] => {
    const theirs = foreignIds(world, one, kind);
    if (theirs === null) return [];
    const filters: Given = { name: 'filters', value: [{ dimension: kind.toUpperCase(), in: theirs }] };
    const call = { alias: 'it', field: 'report', given: [{ name: 'appIds', value: [appId] }, filters, ...given] };
    const question = documentOf(schema, 'query', [call]);
    return [{ ...shared, ...{ name: label(one, `report of a ${kind}`), category: 'id', via: 'post', question } }];
  });
  const filter: Given = { name: 'filter', value: { campaignIds: foreignIds(world, one, 'campaign') } };
  const call = {
    alias: 'it',
    field: 'liveEvents',
    given: [{ name: 'appId', value: appId }, filter, ...cursorGiven('liveEvents', appId)],
  };
  const question = documentOf(schema, 'subscription', [call], 1);
  const name = label(one, 'liveEvents of a campaign');
  return [...reports, { ...shared, ...{ name, category: 'subscription', via: 'listen', question } }];
}

/** Where a stream is gone on with from an hour ago, in the words of its cursors. */
function cursorGiven(field: string, appId: string): readonly Given[] {
  const anHourAgo = Date.now() - 3_600_000;
  const streams: Readonly<Record<string, string>> = {
    liveEvents: 'events',
    installAttributed: 'installs',
    conversion: 'conversions',
    fraudFlagged: 'flags',
  };
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const stream = streams[field];
  if (stream !== undefined) return [{ name: 'after', value: encoded([stream, appId, anHourAgo, '', 0]) }];
  if (field === 'alertFired' || field === 'jobProgress') return [{ name: 'after', value: encoded(['0']) }];
  return [];
}

/** What is the asker's own, gone on with from somebody else's cursor. */
async function byCursors(world: Generated, schema: GraphQLSchema, one: Swap): Promise<Operation[]> {
  const made: Operation[] = [];
  for (const field of Object.keys(rootOf(schema, 'query').getFields())) {
    const { ids, plain: given, hasCursor } = argumentsOf(schema, 'query', field);
    if (!hasCursor) continue;
    const of = (idsOfKind: (kind: string) => readonly string[]) =>
      ids
        .filter((id) => id.required)
        .map((id): Given => ({ name: id.name, value: givenAs(idsOfKind(id.kind), id.list) }));
    const theirs = of((kind) => idsOf(world.tenants[one.owner.tenant], one.owner.share, kind));
    const own = of((kind) => ownIds(world, one.asker, kind));
    const cursor = await world.cursorOf(one.owner, field, [...theirs, ...given]);
    if (cursor === null) continue;
    const after: Given = { name: 'after', value: cursor };
    const ask = (rest: readonly Given[]) =>
      documentOf(schema, 'query', [{ alias: 'it', field, given: [...rest, ...given, after] }], 1);
    const name = label(one, `${field}(after)`);
    // To a partner a cursor is a place in a list that others are in too; only the list's own wall keeps them out of it.
    const foreign = !partners.has(one.asker.key);
    const shared = { ...one, category: 'cursor', foreign, via: 'post', warm: ask(theirs) } as const;
    made.push({ ...shared, name, question: ask(own) });
    if (ids.length > 0 && one.asker.tenant !== one.owner.tenant)
      made.push({ ...shared, name: `${name} in their app`, foreign: true, question: ask(theirs) });
  }
  for (const field of Object.keys(rootOf(schema, 'subscription').getFields())) {
    const { ids, plain: given } = argumentsOf(schema, 'subscription', field);
    const theirApp = world.tenants[one.owner.tenant].appId;
    const after = cursorGiven(field, theirApp);
    if (ids[0]?.kind !== 'app' || after.length === 0) continue;
    const own: Given = { name: ids[0].name, value: world.tenants[one.asker.tenant].appId };
    const question = documentOf(schema, 'subscription', [{ alias: 'it', field, given: [own, ...given, ...after] }], 1);
    if (one.asker.tenant !== one.owner.tenant)
      made.push({
        ...one,
        ...{
          name: label(one, `${field}(after)`),
          category: 'cursor',
          foreign: true,
          via: 'listen',
          question,
          warm: null,
        },
      });
  }
  return made;
}

/** Own and foreign ids of one kind in one operation, so that both are in one batch of the loaders. */
function byLoaders(world: Generated, schema: GraphQLSchema, one: Swap): Operation[] {
  return Object.keys(rootOf(schema, 'query').getFields()).flatMap((field): Operation[] => {
    const { ids, plain: given } = argumentsOf(schema, 'query', field);
    const [id] = ids;
    if (ids.length !== 1 || id === undefined || id.name !== 'id') return [];
    const theirs = foreignIds(world, one, id.kind)?.[0];
    const own = ownIds(world, one.asker, id.kind)[0];
    if (theirs === undefined || own === undefined) return [];
    const call = (alias: string, value: string): RootCall => ({
      alias,
      field,
      given: [{ name: 'id', value }, ...given],
    });
    const question = documentOf(schema, 'query', [call('own', own), call('foreign', theirs)], 1);
    const warm = documentOf(schema, 'query', [call('foreign', theirs)], 1);
    return [
      {
        ...one,
        ...{
          name: label(one, `${field} beside an own one`),
          category: 'loader',
          // Of an app that a partner shares with others only the SQL keeps them apart.
          foreign: id.kind !== 'app' || !partners.has(one.asker.key),
          via: 'post',
          question,
          warm,
        },
      },
    ];
  });
}

/** What an owner just asked, word for word, by GET with its hash: the answer is in the cache. */
function byCache(world: Generated, schema: GraphQLSchema, one: Swap): Operation[] {
  return Object.keys(rootOf(schema, 'query').getFields()).flatMap((field): Operation[] => {
    const { ids, plain: given } = argumentsOf(schema, 'query', field);
    const theirs = ids
      .filter((id) => id.required)
      .map((id): Given => {
        const { tenant, share } = one.owner;
        return { name: id.name, value: givenAs(idsOf(world.tenants[tenant], share, id.kind), id.list) };
      });
    if (theirs.some(({ value }) => value === undefined)) return [];
    const question = documentOf(schema, 'query', [{ alias: 'it', field, given: [...theirs, ...given] }], 1);
    return [
      {
        ...one,
        ...{
          name: label(one, `kept ${field}`),
          category: 'cache',
          // A partner's own list names nothing of others.
          foreign:
            !partners.has(one.asker.key) || ids.some((id) => foreignIds(world, one, id.kind) !== null && id.required),
          via: 'get',
          question,
          warm: question,
        },
      },
    ];
  });
}

/** Lists of what the asker has: nothing of others may be among it. */
function byLists(world: Generated, schema: GraphQLSchema, asker: Asking): Operation[] {
  const owner = { tenant: asker.tenant, share: partners.has(asker.key) ? (asker.key as Share) : '0' } as const;
  return Object.keys(rootOf(schema, 'query').getFields()).map((field): Operation => {
    const { ids, plain: given } = argumentsOf(schema, 'query', field);
    const own = ids
      .filter((id) => id.required)
      .map((id): Given => ({ name: id.name, value: givenAs(ownIds(world, asker, id.kind), id.list) ?? 'none' }));
    const question = documentOf(schema, 'query', [{ alias: 'it', field, given: [...own, ...given] }]);
    const name = `${field} of their own, asked by ${asker.tenant}${asker.key}`;
    return { asker, owner, name, category: 'list', foreign: false, via: 'post', question, warm: null };
  });
}

/** Input of a mutation where it names nothing; the one id that is foreign is put in by the caller. */
const inputs: Readonly<Record<string, unknown>> = {
  email: 'foreign@example.com',
  role: 'READ_ONLY',
  name: 'Renamed',
  label: 'Foreign',
  scopes: ['READ_REPORTS'],
  eventKind: 'PURCHASE',
  targetUrl: 'https://example.com/foreign',
  definition: { metrics: ['INSTALLS'] },
  rule: { kind: 'THRESHOLD', metric: 'INSTALLS', windowMinutes: 60, direction: 'ABOVE', threshold: 1 },
  intake: { blockedEvents: ['foreign'] },
  amount: '7',
  firstDay: '2026-11-01',
  lastDay: '2026-12-31',
  confirm: true,
  graceHours: 24,
  emails: ['foreign@example.com'],
  metrics: ['EVENTS', 'REVENUE'],
  dimensions: ['CAMPAIGN', 'APP_VERSION'],
  range: { lastDays: 2 },
  format: 'NDJSON',
  kind: 'WRITE',
};

/** Each id of each mutation's input, foreign in turn; the key of the request is the caller's to make fresh. */
function byMutations(world: Generated, schema: GraphQLSchema, one: Swap): Operation[] {
  return Object.values(rootOf(schema, 'mutation').getFields()).flatMap((field): Operation[] => {
    const input = getNamedType(field.args[0]!.type);
    if (!isInputObjectType(input)) throw new Error(`${field.name} takes no input.`);
    const fields = Object.values(input.getFields());
    const ids = fields.filter((arg) => getNamedType(arg.type).name === 'ID');
    const operation = (name: string, value: Record<string, unknown>): Operation => ({
      ...one,
      ...{ name: label(one, name), category: 'mutation', foreign: true, via: 'post', warm: null },
      question: documentOf(
        schema,
        'mutation',
        [{ alias: 'it', field: field.name, given: [{ name: 'input', value }] }],
        1,
      ),
    });
    const given = Object.fromEntries(
      fields.flatMap(({ name }) =>
        name in inputs && !ids.some((id) => id.name === name) ? [[name, inputs[name]]] : [],
      ),
    );
    const campaign = foreignIds(world, one, 'campaign')?.[0];
    if (field.name === 'recordCosts')
      return [operation('recordCosts(rows)', { rows: [{ campaignId: campaign, day: today(), amount: '7' }] })];
    if (field.name === 'importCosts')
      return [operation('importCosts(csv)', { csv: `campaign_id,day,amount\n${campaign},${today()},7\n` })];
    return ids.flatMap((foreign) => {
      const kind = kindOf(field.name, foreign.name);
      const theirs = foreignIds(world, one, kind);
      if (theirs === null) return [];
      const others = ids.filter((id) => id !== foreign && isRequiredInputField(id));
      const own = others.map((id) => {
        const from = ownIds(world, one.asker, kindOf(field.name, id.name));
        return [id.name, givenAs(from, /^\[/.test(String(id.type)))];
      });
      const value = {
        ...given,
        ...Object.fromEntries(own),
        [foreign.name]: givenAs(theirs, /^\[/.test(String(foreign.type))),
      };
      // Whose figures a partner's member sees; elsewhere that role is not allowed.
      const fitting = kind === 'partner' && 'role' in value ? { ...value, role: 'PARTNER' } : value;
      return [operation(`${field.name}(${foreign.name})`, fitting)];
    });
  });
}

/** Somebody else's key of a request that was done, with the same input. */
function byRequestKeys(schema: GraphQLSchema, one: Swap): Operation[] {
  const value = { name: 'Twice', network: 'twice', idempotencyKey: 'swapped' };
  const given = [{ name: 'input', value }];
  const question = documentOf(schema, 'mutation', [{ alias: 'it', field: 'createPartner', given }], 0);
  return [
    {
      ...one,
      ...{ name: label(one, 'a request key'), category: 'key', foreign: true, via: 'post', question, warm: question },
    },
  ];
}

/** An export's file, by whoever knows the job's id. */
function byDownloads(world: Generated, schema: GraphQLSchema, one: Swap): Operation[] {
  const id = foreignIds(world, one, 'exportJob')?.[0];
  if (id === undefined) return [];
  const question = documentOf(schema, 'query', [
    { alias: 'it', field: 'exportJob', given: [{ name: 'id', value: id }] },
  ]);
  return [
    {
      ...one,
      ...{
        name: label(one, 'an export'),
        category: 'download',
        foreign: true,
        via: 'download',
        question,
        warm: question,
      },
    },
  ];
}

/** Entities of a subgraph, asked past the gateway. */
export function byEntities(
  world: Pick<Generated, 'tenants'>,
  subgraphs: readonly { readonly name: string; readonly schema: GraphQLSchema }[],
  one: Swap,
  selection: (type: GraphQLSchema, name: string) => string,
): Operation[] {
  return subgraphs.flatMap(({ name: subgraph, schema }) => {
    const union = schema.getType('_Entity') as unknown as { getTypes(): readonly { readonly name: string }[] };
    return union.getTypes().flatMap(({ name: type }): Operation[] => {
      const ids = foreignIds(world, one, type.charAt(0).toLowerCase() + type.slice(1));
      if (ids === null) return [];
      const query = `query ($of: [_Any!]!) { _entities(representations: $of) { __typename ... on ${type} ${selection(schema, type)} } }`;
      const variables = { of: ids.map((id) => ({ __typename: type, id })) };
      const name = label(one, `${type} in ${subgraph}`);
      const question = { query, variables };
      return [
        { ...one, ...{ name, category: 'entity', foreign: true, via: 'entity', subgraph, question, warm: null } },
      ];
    });
  });
}

/** All operations of the trial, in an order that depends on nothing but the schema. */
export async function operationsOf(
  world: Generated,
  entities: (one: Swap) => readonly Operation[],
): Promise<readonly Operation[]> {
  const { whole, contract } = world;
  // Owners ask first, so the graph must be theirs too.
  const schemaOf = ({ asker, owner }: Swap) =>
    partners.has(asker.key) || partners.has(owner.share) ? contract : whole;
  const past = (operations: readonly Operation[]) =>
    operations.map((operation) => ({ ...operation, name: `${operation.name}, past the contract` }));
  const made: Operation[] = [];
  for (const one of [...tenantSwaps, ...roleSwaps, ...partnerSwaps])
    made.push(...byIds(world, schemaOf(one), 'query', one));
  for (const one of mainSwaps) {
    const schema = schemaOf(one);
    made.push(...byIds(world, schema, 'subscription', one), ...byLoaders(world, schema, one));
    made.push(...byFilters(world, schema, one));
    made.push(...byDownloads(world, schema, one), ...entities(one), ...(await byCursors(world, schema, one)));
  }
  for (const one of [tenantSwap, partnerSwap])
    made.push(...byCache(world, schemaOf(one), one), ...byMutations(world, whole, one));
  made.push(...byRequestKeys(whole, tenantSwap), ...byRequestKeys(whole, swap('a', '0', 'b', '0')));
  for (const one of [tenantSwap, partnerSwap]) made.push(...byLists(world, schemaOf(one), one.asker));
  made.push(...past(byIds(world, whole, 'query', partnerSwap)), ...past(byLists(world, whole, partnerSwap.asker)));
  return made;
}
