/**
 * The product in one process for the isolation trial, with each of its three walls made so that it can be taken away.
 *
 * What a caller is (tenant, partner) is one fact, found from the key; the walls are what each layer makes of it:
 * - gateway: what the key may (scopes, apps, a partner's smaller graph). Off: every key has all scopes and apps, and a partner
 *   asks the whole graph; tenant and partner stay, for the walls behind have nothing else to tell callers apart by.
 * - subgraph: checks of ownership in code (`requireApp`, `requireCampaign`, owners of rows). Off: the directory calls every app,
 *   campaign and key the asker's own, and so do the owners' columns of every row that the relational store gives.
 * - SQL: conditions on tenant and partner in every statement. Off: they are taken out of the warehouse's statements, and out of
 *   every `where` of the relational client, on their way to the store.
 * No part of the product knows of this: only ports are wrapped.
 */
import { createGateway, createLocalSubgraphClient, type SubgraphClient } from '@tributary/gateway';
import type { BlobStore } from '@tributary/platform/blob-store';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import { createLogger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { WarehouseStreams } from '@tributary/platform/warehouse/stream';
import type { Relational } from '@tributary/prisma/client';
import { loadConfig, parseCaller, type Scope, scopes, signCaller } from '@tributary/schema';
import { createAttributionSubgraph } from '@tributary/subgraphs/attribution';
import { createCampaignsSubgraph } from '@tributary/subgraphs/campaigns';
import { createEventsSubgraph, createExportHandler } from '@tributary/subgraphs/events';
import { createPredictionsSubgraph } from '@tributary/subgraphs/predictions';
import type { Subgraph } from '@tributary/subgraphs/types';

export const isolationSecret = 'a secret of the isolation trial, of more than 32 characters';
const clock = { now: () => Date.now() };
const logger = createLogger('isolation', 'silent');

export interface Stores {
  readonly warehouse: Warehouse;
  readonly streams: WarehouseStreams;
  readonly blobs: BlobStore;
  readonly relational: Relational;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
}

/** Who asks a product whose walls are off; with all walls on nobody is named. */
export interface Asker {
  readonly tenantId: string;
  readonly partnerId: string | null;
}

export interface Walls {
  readonly gateway: boolean;
  readonly subgraph: boolean;
  readonly sql: boolean;
}

export const allWalls: Walls = { gateway: true, subgraph: true, sql: true };

export interface IsolationProduct {
  readonly url: string;
  readonly subgraphs: readonly Subgraph[];
  dispose(): Promise<void>;
}

export async function openIsolationProduct(
  stores: Stores,
  walls: Walls = allWalls,
  asker: Asker = { tenantId: '', partnerId: null },
): Promise<IsolationProduct> {
  const cache = createMemoryCache();
  const warehouse = walls.sql ? stores.warehouse : warehouseWithoutWall(stores.warehouse);
  const relational =
    walls.sql && walls.subgraph ? stores.relational : relationalWithoutWalls(stores.relational, walls, asker);
  const directory = walls.subgraph ? stores.directory : directoryOfAll(stores.directory, asker);
  const config = loadConfig({ TRIBUTARY_LIVE_INTERVAL_MS: '50' });
  const deps = {
    ...{ warehouse, directory, liveBus: stores.liveBus, cache, clock, logger, config },
    signingSecret: isolationSecret,
  };
  const subgraphs = [
    createEventsSubgraph(deps, {
      settleMs: 50,
      replayEvent: async () => ({ status: 'accepted', code: null }),
      exports: { streams: stores.streams, blobs: stores.blobs, tickMs: 30 },
    }),
    createAttributionSubgraph(deps),
    createPredictionsSubgraph(deps),
    createCampaignsSubgraph({ ...deps, relational }),
  ];
  const clients = subgraphs.map((subgraph) => createLocalSubgraphClient(subgraph));
  const gateway = await createGateway({
    config: { host: '127.0.0.1', publicUrl: null, ports: { gateway: 0 } },
    directory: walls.gateway ? stores.directory : directoryOfKeysWithAllRights(stores.directory),
    ...{ clock, logger, cache, liveBus: stores.liveBus, signingSecret: isolationSecret },
    subgraphs: walls.gateway ? clients : clients.map((client) => withPartnerOf(client)),
    downloads: createExportHandler({ blobs: stores.blobs, signingSecret: isolationSecret, clock }),
  });
  const { url } = await gateway.listen();
  return {
    url,
    subgraphs,
    async dispose() {
      await gateway.dispose();
      for (const subgraph of subgraphs) await subgraph.dispose();
      await cache.dispose();
    },
  };
}

/** A partner rides in the name of the rate plan, which the gateway passes on and asks nothing of. */
const planOfPartner = 'isolation-partner ';

function directoryOfKeysWithAllRights(directory: Directory): Directory {
  return changed(directory, (snapshot) => ({
    ...snapshot,
    keys: snapshot.keys.map(({ partnerId, ...key }) =>
      key.kind === 'api'
        ? {
            ...key,
            appIds: null,
            scopes: [...scopes] as Scope[],
            ...(partnerId ? { ratePlan: `${planOfPartner}${partnerId}` } : {}),
          }
        : key,
    ),
  }));
}

function withPartnerOf(client: SubgraphClient): SubgraphClient {
  const resigned = (token: string | null) => {
    const caller = parseCaller(token, isolationSecret, 0);
    if (!caller?.ratePlan?.startsWith(planOfPartner)) return token;
    return signCaller({ ...caller, partnerId: caller.ratePlan.slice(planOfPartner.length) }, isolationSecret);
  };
  return {
    ...client,
    execute: (request) => client.execute({ ...request, callerToken: resigned(request.callerToken) }),
    subscribe: (request) => client.subscribe({ ...request, callerToken: resigned(request.callerToken) }),
  };
}

function directoryOfAll(directory: Directory, { tenantId, partnerId }: Asker): Directory {
  return changed(directory, (snapshot) => ({
    ...snapshot,
    apps: snapshot.apps.map((app) => ({ ...app, tenantId })),
    campaigns: snapshot.campaigns.map((campaign) => ({
      ...campaign,
      tenantId,
      ...(partnerId === null ? {} : { partnerId }),
    })),
    links: snapshot.links.map((link) => ({ ...link, tenantId })),
    goals: snapshot.goals.map((goal) => ({ ...goal, tenantId })),
  }));
}

type Snapshot = ReturnType<Directory['current']>;

function changed(directory: Directory, change: (snapshot: Snapshot) => Snapshot): Directory {
  const known = new WeakMap<Snapshot, Snapshot>();
  return {
    ...directory,
    current() {
      const now = directory.current();
      const shown = known.get(now) ?? change(now);
      known.set(now, shown);
      return shown;
    },
  };
}

/** Statements from which the conditions on tenant and partner were taken out; the trial asks that there be some. */
export const unwalled = { warehouse: 0, relational: 0 };

export function sqlWithoutWall(sql: string): string {
  return (
    sql
      .replaceAll(/\btenant_id = \{tenantId:String\}/g, "{tenantId:String} != ''")
      // Every wall of partners begins so: `({partnerId:String} = '' OR …)`, or with `if(`.
      .replaceAll("{partnerId:String} = ''", "({partnerId:String} = '' OR 1)")
  );
}

function warehouseWithoutWall(warehouse: Warehouse): Warehouse {
  return {
    ...warehouse,
    query(definition, params, options) {
      const sql = sqlWithoutWall(definition.sql);
      if (sql !== definition.sql) unwalled.warehouse += 1;
      return warehouse.query({ ...definition, sql }, params, options);
    },
  };
}

/** `where` without what it says of tenant and partner, at any depth. The asker's own partner id is a condition too. */
function withoutOwners(where: unknown, asker: Asker): unknown {
  if (Array.isArray(where)) return where.map((one) => withoutOwners(one, asker));
  if (where === null || typeof where !== 'object' || where instanceof Date) return where;
  return Object.fromEntries(
    Object.entries(where).flatMap(([name, value]) => {
      if (name === 'tenantId') return [];
      if (name === 'partnerId' && value === asker.partnerId) return [];
      if (name === 'id' && asker.partnerId !== null && value === asker.partnerId) return [];
      return [[name, withoutOwners(value, asker)]];
    }),
  );
}

/** Rows as they are, but the asker's own by their columns. */
function ownRows(value: unknown, asker: Asker): unknown {
  if (Array.isArray(value)) return value.map((one) => ownRows(one, asker));
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (name === 'tenantId' && typeof inner === 'string') return [name, asker.tenantId];
      return [name, name === 'definition' || name === 'details' ? inner : ownRows(inner, asker)];
    }),
  );
}

const reads = new Set(['findFirst', 'findMany', 'findUnique', 'count', 'updateMany', 'deleteMany']);

function relationalWithoutWalls(relational: Relational, walls: Walls, asker: Asker): Relational {
  const wrapModel = (model: object) =>
    new Proxy(model, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function' || typeof name !== 'string' || !reads.has(name)) return method;
        return async (args: { where?: unknown } = {}) => {
          // A compound key is found by its own columns only; the record of an idempotency key is nobody else's to meet.
          const compound = Object.keys((args.where ?? {}) as object).some((key) => key.includes('_'));
          const open = walls.sql || compound ? args : { ...args, where: withoutOwners(args.where, asker) };
          if (open !== args) unwalled.relational += 1;
          const found: unknown = await method.call(target, open);
          return walls.subgraph ? found : ownRows(found, asker);
        };
      },
    });
  const wrapClient = <T extends object>(client: T): T =>
    new Proxy(client, {
      get(target, name) {
        const part: unknown = Reflect.get(target, name);
        if (name === '$queryRaw' && !walls.sql) return rawWithoutTenant(target, part as Raw, asker);
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

/** `"tenantId" = ${tenant}` becomes a condition that always holds. */
function rawWithoutTenant(target: object, raw: Raw, { tenantId }: Asker): Raw {
  return (strings, ...values) => {
    const parts = [...strings];
    values.forEach((value, index) => {
      const before = parts[index] ?? '';
      if (value !== tenantId || !/"tenantId" = $/.test(before)) return;
      parts[index] = before.replace(/= $/, "IS NOT NULL AND '' <> ");
    });
    const template = Object.assign(parts, { raw: parts }) as unknown as TemplateStringsArray;
    return raw.call(target, template, ...values);
  };
}
