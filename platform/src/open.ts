import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { CodedError, type Config } from '@tributary/schema';
import type { BlobStore } from './blob-store.ts';
import type { Cache } from './cache.ts';
import type { Directory, DirectoryPublisher } from './directory.ts';
import type { EventLog } from './event-log.ts';
import type { LiveBus } from './live-bus.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { WarehouseStreams } from './warehouse/stream.ts';
import type { Warehouse } from './warehouse.ts';

/**
 * The one switch between the embedded and the server form: each port's adapter is chosen here, by whether its server is
 * configured, and nowhere else. Adapters are loaded when chosen, so that a role pays for what it uses.
 */
export interface OpenOptions {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

/** Embedded: LMDB in `<dataDir>/log`. Server: Kafka. */
export async function openEventLog(config: Config, { logger }: OpenOptions = {}): Promise<EventLog> {
  if (config.eventLog.kafkaBrokers.length > 0) {
    const { kafkaOptionsOf, openKafkaEventLog } = await import('./event-log/kafka.ts');
    return openKafkaEventLog({ ...kafkaOptionsOf(config), ...(logger ? { logger } : {}) });
  }
  const { openLmdbEventLog } = await import('./event-log/lmdb.ts');
  return openLmdbEventLog({ dir: join(config.dataDir, 'log'), partitions: config.eventLog.partitions });
}

/** Embedded: in the process. Server: Redis. */
export async function openCache(config: Config, { logger, metrics }: OpenOptions = {}): Promise<Cache> {
  if (!config.redisUrl) {
    const { createMemoryCache } = await import('./cache/memory.ts');
    return createMemoryCache();
  }
  const { openRedisCache } = await import('./cache/redis.ts');
  const failures = metrics?.counter({
    name: 'tributary_cache_failures_total',
    help: 'Cache operations that failed open because the server was away or too slow',
    labelNames: ['operation'],
  });
  return openRedisCache({
    url: config.redisUrl,
    ...(logger ? { logger } : {}),
    onFailure: (operation) => failures?.inc({ operation }),
  });
}

/**
 * Embedded: in the process, or, with `ipc`, over the channel to the parent, which bridges its children
 * (live-bus/ipc.ts). Server: Redis.
 */
export async function openLiveBus(
  config: Config,
  { ipc = false, logger, metrics }: OpenOptions & { readonly ipc?: boolean } = {},
): Promise<LiveBus> {
  if (config.redisUrl) {
    const { openRedisLiveBus } = await import('./live-bus/redis.ts');
    const dropped = metrics?.counter({
      name: 'tributary_live_dropped_total',
      help: 'Live messages dropped because the server was away or too slow',
      labelNames: ['topic'],
    });
    return openRedisLiveBus({
      url: config.redisUrl,
      ...(logger ? { logger } : {}),
      onDropped: (topic) => dropped?.inc({ topic }),
    });
  }
  if (ipc) {
    const { openIpcLiveBus } = await import('./live-bus/ipc.ts');
    return openIpcLiveBus();
  }
  const { createMemoryLiveBus } = await import('./live-bus/memory.ts');
  return createMemoryLiveBus();
}

/**
 * Embedded: the snapshot in `<dataDir>/directory`. Server: what `fromRelational` makes, since only the prisma folder can
 * read Postgres; CONFIG_INVALID when none was given.
 */
export async function openDirectory(
  config: Config,
  { fromRelational, logger }: OpenOptions & { readonly fromRelational?: () => Promise<Directory> } = {},
): Promise<Directory> {
  if (!config.postgresUrl) {
    const { openLmdbDirectory } = await import('./directory/lmdb.ts');
    return openLmdbDirectory({ dir: join(config.dataDir, 'directory'), ...(logger ? { logger } : {}) });
  }
  if (!fromRelational) {
    throw new CodedError('CONFIG_INVALID', {
      message: 'TRIBUTARY_POSTGRES_URL is set, but this role was not given the means to read the directory from there.',
    });
  }
  return fromRelational();
}

/** Embedded: writes `<dataDir>/directory`. Server: publishes nothing, since readers read Postgres themselves. */
export async function openDirectoryPublisher(config: Config): Promise<DirectoryPublisher> {
  if (config.postgresUrl) return { publish: async () => {}, dispose: async () => {} };
  const { openLmdbDirectoryPublisher } = await import('./directory/lmdb.ts');
  return openLmdbDirectoryPublisher({ dir: join(config.dataDir, 'directory') });
}

/**
 * Embedded: the child of `--role warehouse` on this host. Server: ClickHouse. The client is the same. With `reader` it is the user that
 * may only read, where one is configured.
 */
export async function openWarehouse(
  config: Config,
  { logger, reader = false }: OpenOptions & { readonly reader?: boolean } = {},
): Promise<Warehouse> {
  const { openClickHouseWarehouse } = await import('./warehouse/clickhouse.ts');
  const readOnly = reader && config.warehouseReader !== null;
  return openClickHouseWarehouse({ ...locationOf(config, reader), readOnly, ...(logger ? { logger } : {}) });
}

/** Its answers as files, for exports; as the user that may only read, where one is configured. */
export async function openWarehouseStreamsOf(config: Config): Promise<WarehouseStreams> {
  const { openWarehouseStreams } = await import('./warehouse/stream.ts');
  return openWarehouseStreams(locationOf(config, true));
}

function locationOf({ warehouse, warehouseReader, ports }: Config, reader: boolean) {
  const { user, password } = reader && warehouseReader !== null ? warehouseReader : warehouse;
  return { url: warehouse.url ?? `http://127.0.0.1:${ports.warehouse}`, database: warehouse.database, user, password };
}

/**
 * Ties a forked child's live bus to this process's. Embedded: over the channel, both ways. Server: both use Redis, so there is
 * nothing to tie. Returns a function that unties.
 */
export async function bridgeChildLiveBus(config: Config): Promise<(bus: LiveBus, child: ChildProcess) => () => void> {
  if (config.redisUrl) return () => () => undefined;
  const { bridgeLiveBus } = await import('./live-bus/ipc.ts');
  return bridgeLiveBus;
}

/** Files that are exported: `config.exportsDir`, in both forms; on servers a directory that the roles share. */
export async function openBlobStore(config: Config): Promise<BlobStore> {
  const { openDirectoryBlobStore } = await import('./blob-store/directory.ts');
  return openDirectoryBlobStore({ dir: config.exportsDir });
}
