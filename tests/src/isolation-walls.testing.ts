/**
 * The three walls of the trial, and how each is taken away. The product knows nothing of it: ports are wrapped, and the modules that
 * are a wall themselves are replaced by jest (`isolation.test.ts`), which only a test can do.
 *
 * Who asks (tenant, partner, scopes) is found from the key and stays; the walls are what each layer makes of it:
 * - gateway: a partner's smaller graph, and the owner in the response cache's key. Off: partners ask the whole graph; the cache knows
 *   no owners, or, where the SQL stands alone, is empty.
 * - subgraph: every check of ownership in code. Off: the directory and the rows of the relational store say that all is the asker's.
 * - SQL: conditions on tenant and partner. Off: they are taken out of each statement on its way to the store.
 */
import type { SubgraphClient } from '@tributary/gateway';
import type { Cache } from '@tributary/platform/cache';
import type { Directory } from '@tributary/platform/directory';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { WarehouseStreams } from '@tributary/platform/warehouse/stream';
import type { Relational } from '@tributary/prisma/client';
import { parseCaller, signCaller } from '@tributary/schema';
import { type ConstDirectiveNode, Kind, parse, print, visit } from 'graphql';

export interface Walls {
  readonly gateway: boolean;
  readonly subgraph: boolean;
  readonly sql: boolean;
}

export interface Asker {
  readonly tenantId: string;
  readonly partnerId: string | null;
}

/** How things stand while an operation runs; operations run one after another. */
export interface Trial {
  /** Tells the caches of the settings apart. */
  setting: string;
  walls: Walls;
  asker: Asker;
  /** Statements whose conditions were taken out. */
  readonly opened: { warehouse: number; relational: number };
}

export const trial: Trial = {
  setting: 'all walls',
  walls: { gateway: true, subgraph: true, sql: true },
  asker: { tenantId: '', partnerId: null },
  opened: { warehouse: 0, relational: 0 },
};

type Snapshot = ReturnType<Directory['current']>;

function shown(directory: Directory, change: (snapshot: Snapshot) => Snapshot, key: () => string | null): Directory {
  const known = new WeakMap<Snapshot, Map<string, Snapshot>>();
  return {
    ...directory,
    current() {
      const now = directory.current();
      const name = key();
      if (name === null) return now;
      const changed = known.get(now) ?? new Map<string, Snapshot>();
      known.set(now, changed);
      const seen = changed.get(name) ?? change(now);
      changed.set(name, seen);
      return seen;
    },
  };
}

/** What the gateway reads: without its wall no key is a partner's. */
export function gatewayDirectory(directory: Directory): Directory {
  const change = (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    keys: snapshot.keys.map(({ partnerId: _, ...key }) => key),
  });
  return shown(directory, change, () => (trial.walls.gateway ? null : 'nobody is a partner'));
}

/** What the subgraphs read: without their wall everything is the asker's own. */
export function subgraphDirectory(directory: Directory): Directory {
  const change = (snapshot: Snapshot): Snapshot => {
    const { tenantId, partnerId } = trial.asker;
    return {
      ...snapshot,
      apps: snapshot.apps.map((app) => ({ ...app, tenantId })),
      campaigns: snapshot.campaigns.map((one) => ({ ...one, tenantId, ...(partnerId === null ? {} : { partnerId }) })),
      links: snapshot.links.map((link) => ({ ...link, tenantId })),
      goals: snapshot.goals.map((goal) => ({ ...goal, tenantId })),
    };
  };
  return shown(directory, change, () =>
    trial.walls.subgraph ? null : `${trial.asker.tenantId} ${trial.asker.partnerId}`,
  );
}

/** A partner whom the gateway took for one of the organisation is one again for the subgraphs. */
export function partnersAgain(client: SubgraphClient, secret: string): SubgraphClient {
  const signed = (token: string | null) => {
    const caller = trial.walls.gateway ? null : parseCaller(token, secret, 0);
    return caller ? signCaller({ ...caller, partnerId: trial.asker.partnerId }, secret) : token;
  };
  return {
    ...client,
    sdl: async () => keptByAll(await client.sdl()),
    execute: (request) => client.execute({ ...request, callerToken: signed(request.callerToken) }),
    subscribe: (request) => client.subscribe({ ...request, callerToken: signed(request.callerToken) }),
  };
}

/** The schema as if every answer might be kept: what the cache is asked for then tells the most of its keys. */
function keptByAll(sdl: string): string {
  const directives = (text: string) => {
    const [type] = parse(`type T ${text} { f: Int }`).definitions;
    return type?.kind === Kind.OBJECT_TYPE_DEFINITION ? (type.directives ?? []) : [];
  };
  const kept = directives('@cacheControl(maxAge: 60)');
  const inherited = directives('@cacheControl(inheritMaxAge: true)');
  const withHint = (own: readonly ConstDirectiveNode[] = [], hint: readonly ConstDirectiveNode[]) => [
    ...own.filter(({ name }) => name.value !== 'cacheControl'),
    ...hint,
  ];
  const document = visit(parse(sdl), {
    [Kind.OBJECT_TYPE_DEFINITION]: (node) => ({
      ...node,
      ...(node.name.value === 'Query'
        ? { fields: node.fields?.map((field) => ({ ...field, directives: withHint(field.directives, kept) })) }
        : { directives: withHint(node.directives, inherited) }),
    }),
  });
  return print(document);
}

/** The shared cache, apart for each setting. */
export function cacheOfSetting(cache: Cache): Cache {
  return {
    ...cache,
    get: (key) => cache.get(`${trial.setting} ${key}`),
    set: (key, value, options) => cache.set(`${trial.setting} ${key}`, value, options),
  };
}

/** A warehouse statement without its conditions on tenant and partner; its parameters stay used. */
function openSql(sql: string): string {
  return (
    sql
      .replaceAll(/\btenant_id = \{tenantId:String\}/g, "{tenantId:String} != ''")
      // Walls of partners begin so: `({partnerId:String} = '' OR …)`, or with `if(`; or they compare a column.
      .replaceAll("{partnerId:String} = ''", "({partnerId:String} = '' OR 1)")
      .replaceAll('= {partnerId:String}', "!= concat({partnerId:String}, ' nobody')")
  );
}

export function openableWarehouse(warehouse: Warehouse): Warehouse {
  return {
    ...warehouse,
    query(definition, params, options) {
      const sql = trial.walls.sql ? definition.sql : openSql(definition.sql);
      if (sql !== definition.sql) trial.opened.warehouse += 1;
      return warehouse.query({ ...definition, sql }, params, options);
    },
  };
}

export function openableStreams(streams: WarehouseStreams): WarehouseStreams {
  return {
    ...streams,
    read: (statement) => streams.read(trial.walls.sql ? statement : { ...statement, sql: openSql(statement.sql) }),
  };
}

/** `where` without what it says of tenant and partner, at any depth. A partner's own id is such a condition too. */
function openWhere(where: unknown): unknown {
  const { partnerId } = trial.asker;
  if (Array.isArray(where)) return where.map(openWhere);
  if (where === null || typeof where !== 'object' || where instanceof Date) return where;
  return Object.fromEntries(
    Object.entries(where).flatMap(([name, value]) => {
      if (name === 'tenantId' || (name === 'partnerId' && value === partnerId)) return [];
      if (name === 'id' && partnerId !== null && value === partnerId) return [];
      // A key of several columns, as idempotency records have.
      if (name.startsWith('tenantId_')) return Object.entries(openWhere(value) as object);
      return [[name, openWhere(value)]];
    }),
  );
}

/** Rows as they are, but the asker's own by the columns that say whose they are. */
function ownRows(value: unknown): unknown {
  const { tenantId, partnerId } = trial.asker;
  if (Array.isArray(value)) return value.map(ownRows);
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (name === 'tenantId' && typeof inner === 'string') return [name, tenantId];
      if (name === 'partnerId' && partnerId !== null) return [name, partnerId];
      return [name, name === 'definition' || name === 'details' ? inner : ownRows(inner)];
    }),
  );
}

const reads = new Set(['findFirst', 'findMany', 'findUnique', 'count', 'updateMany', 'deleteMany']);

export function openableRelational(relational: Relational): Relational {
  const wrapModel = (model: object) =>
    new Proxy(model, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function' || typeof name !== 'string' || !reads.has(name)) return method;
        return async (args: { where?: unknown } = {}) => {
          const { sql, subgraph } = trial.walls;
          const where = sql ? args.where : openWhere(args.where);
          const open = sql ? args : { ...args, where };
          if (!sql) trial.opened.relational += 1;
          // What named a unique key by its tenant names none any more.
          const call = !sql && name === 'findUnique' ? (Reflect.get(target, 'findFirst') as typeof method) : method;
          const found: unknown = await call.call(target, open);
          return subgraph ? found : ownRows(found);
        };
      },
    });
  const wrapClient = <T extends object>(client: T): T =>
    new Proxy(client, {
      get(target, name) {
        const part: unknown = Reflect.get(target, name);
        if (name === '$queryRaw' && !trial.walls.sql) return openRaw(target, part as Raw);
        if (typeof part === 'function') return part.bind(target);
        return typeof name === 'string' && /^[a-z]/.test(name) && part !== null && typeof part === 'object'
          ? wrapModel(part)
          : part;
      },
    });
  return {
    ...relational,
    client: wrapClient(relational.client),
    transact: (work, options) => relational.transact((tx) => work(wrapClient(tx)), options),
  };
}

type Raw = (strings: TemplateStringsArray, ...values: unknown[]) => Promise<unknown>;

/** `"tenantId" = ${tenant}` becomes a condition that always holds; so does a partner's. */
function openRaw(target: object, raw: Raw): Raw {
  return (strings, ...values) => {
    const { tenantId, partnerId } = trial.asker;
    const parts = [...strings];
    values.forEach((value, index) => {
      const before = parts[index] ?? '';
      const owner =
        (value === tenantId && /"tenantId" = $/.test(before)) ||
        (value === partnerId && /"partnerId" = $/.test(before));
      if (owner) parts[index] = before.replace(/= $/, "IS NOT NULL AND '' <> ");
    });
    const template = Object.assign(parts, { raw: parts }) as unknown as TemplateStringsArray;
    return raw.call(target, template, ...values);
  };
}
