import type { BlobStore } from '@tributary/platform/blob-store';
import type { Cache } from '@tributary/platform/cache';
import { type Clock, systemClock } from '@tributary/platform/clock';
import { lockDataDir } from '@tributary/platform/data-dir-lock';
import type { Directory } from '@tributary/platform/directory';
import type { EventLog } from '@tributary/platform/event-log';
import type { LiveBus } from '@tributary/platform/live-bus';
import { createLogger, type Logger } from '@tributary/platform/logger';
import { createMetrics, type Metrics } from '@tributary/platform/metrics';
import {
  openBlobStore,
  openCache,
  openDirectory,
  openEventLog,
  openLiveBus,
  openWarehouse,
  openWarehouseStreamsOf,
} from '@tributary/platform/open';
import { readOrCreateSigningSecret } from '@tributary/platform/signing-secret';
import type { Warehouse } from '@tributary/platform/warehouse';
import { migrateWarehouse } from '@tributary/platform/warehouse/migrate';
import type { WarehouseStreams } from '@tributary/platform/warehouse/stream';
import { openRelational, type Relational } from '@tributary/prisma/client';
import { createRelationalDirectory } from '@tributary/prisma/directory';
import { migrateRelational } from '@tributary/prisma/migrate';
import type { Config } from '@tributary/schema';
import { createDisposalStack, type DisposalStack } from './role.ts';

/**
 * The ports of one process, each opened when a role first asks for it and shared by the roles of that process. All are
 * released in reverse order by `disposal`.
 */
export interface Ports {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly disposal: DisposalStack;
  /**
   * Makes the data directory this process's own (and its children's). Throws DATA_DIR_IN_USE. The embedded relational store
   * belongs to one process, so it is opened under it.
   */
  ownDataDir(): Promise<void>;
  signingSecret(): Promise<string>;
  liveBus(): Promise<LiveBus>;
  cache(): Promise<Cache>;
  eventLog(): Promise<EventLog>;
  /** Reachable and migrated when resolved: waits for the warehouse, since roles may start in any order. */
  warehouse(): Promise<Warehouse>;
  /** The same store for readers: as the user that may only read, where one is configured. */
  warehouseReader(): Promise<Warehouse>;
  /** Answers of the warehouse as files, by the same user as `warehouseReader`. */
  warehouseStreams(): Promise<WarehouseStreams>;
  /** Files of exports. */
  blobs(): Promise<BlobStore>;
  /** Reachable and migrated when resolved. Embedded, only one process may ask for it. */
  relational(): Promise<Relational>;
  directory(): Promise<Directory>;
}

export function createPorts(config: Config, role: string): Ports {
  const logger = createLogger(role, config.logLevel);
  const metrics = createMetrics(role);
  const disposal = createDisposalStack(logger);
  // What an adapter drops or lets through while its server is away is counted and said.
  const told = { logger, metrics };
  const once = <T extends { dispose(): unknown }>(name: string, open: () => Promise<T>) => {
    let opened: Promise<T> | null = null;
    return () => {
      opened ??= open().then((port) => {
        disposal.add(name, () => port.dispose());
        return port;
      });
      return opened;
    };
  };
  let owned: Promise<void> | null = null;
  const ownDataDir = () => {
    owned ??= lockDataDir(config.dataDir).then((lock) =>
      disposal.add('lock of the data directory', () => lock.release()),
    );
    return owned;
  };
  const relational = once('relational store', async () => {
    if (!config.postgresUrl) await ownDataDir();
    const store = await openRelational(config);
    await untilReachable('relational store', logger, () => migrateRelational(store));
    return store;
  });
  const ports: Ports = {
    config,
    logger,
    clock: systemClock,
    metrics,
    disposal,
    ownDataDir,
    signingSecret: () => readOrCreateSigningSecret(config),
    liveBus: once('live bus', () => openLiveBus(config, { ...told, ipc: process.send !== undefined })),
    cache: once('cache', () => openCache(config, told)),
    eventLog: once('event log', () => untilReachable('event log', logger, () => openEventLog(config, told))),
    warehouse: once('warehouse', async () => {
      const warehouse = await openWarehouse(config, told);
      await untilReachable('warehouse', logger, () => migrateWarehouse(config));
      return warehouse;
    }),
    warehouseReader: once('warehouse reader', async () => {
      await ports.warehouse();
      return openWarehouse(config, { ...told, reader: true });
    }),
    warehouseStreams: once('warehouse streams', () => openWarehouseStreamsOf(config)),
    blobs: once('blob store', () => openBlobStore(config)),
    relational,
    directory: once('directory', () =>
      openDirectory(config, {
        ...told,
        fromRelational: async () => createRelationalDirectory(await relational(), { pollMs: 1_000, logger }),
      }),
    ),
  };
  return ports;
}

const reachableWithinMs = 120_000;

const awayCodes: ReadonlySet<unknown> = new Set(['WAREHOUSE_UNAVAILABLE', 'RELATIONAL_UNAVAILABLE', 'LOG_UNAVAILABLE']);

/** Tries until it works: roles start in any order, so a store that isn't there yet is waited for, and it is said. */
async function untilReachable<T>(name: string, logger: Logger, work: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + reachableWithinMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (!awayCodes.has(code) || Date.now() > giveUpAt) throw error;
      if (attempt % 20 === 1) logger.info({ store: name }, 'waiting for the store');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}
