import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { EventLog, LogReader } from '@tributary/platform/event-log';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { Metrics } from '@tributary/platform/metrics';
import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type Config } from '@tributary/schema';
import { createConsumerLoop } from './consumer-loop.ts';
import { createCounterUpdates } from './live-counters.ts';
import { createLiveTouches } from './live-touches.ts';
import { createConsumerMetrics } from './metrics.ts';
import { type ConsumerSettings, defaultConsumerSettings } from './settings.ts';
import { type PartitionLag, readLag, startUpkeep } from './upkeep.ts';

export interface ConsumerDeps {
  readonly eventLog: EventLog;
  readonly warehouse: Warehouse;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<Config, 'eventLog' | 'liveIntervalMs'>;
  readonly metrics?: Metrics;
  /** Where today's counters are kept up to date (platform/warehouse/live-counters). Default: nowhere. */
  readonly cache?: Cache;
  /** Apps and links, for retention, time zones and the mirror of links. Without it none of these is done. */
  readonly directory?: Pick<Directory, 'current'>;
  /** Over the defaults of settings.ts. */
  readonly settings?: Partial<ConsumerSettings>;
}

export interface Consumer {
  /** Opens the reader and begins to work. Stores that are away are waited for, not failed on. */
  start(): Promise<void>;
  /**
   * Resolves when the consumer has its partitions and their seen ids, and nothing keeps it from its work. Rejects with
   * NOT_READY that says what it waits for.
   */
  ready(): Promise<void>;
  /** How far behind the log it is, per partition. */
  lag(): Promise<readonly PartitionLag[]>;
  /**
   * Stops reading, finishes and commits the batch in flight (within `settings.drainMs`, else it is left for the next
   * start), and lets go of the partitions. Idempotent.
   */
  dispose(): Promise<void>;
}

/**
 * Moves events from the log into the warehouse, each exactly once, and says on the live bus what changed.
 *
 * @example
 * const consumer = createConsumer({ eventLog, warehouse, liveBus, clock: systemClock, logger, config });
 * await consumer.start();
 */
export function createConsumer(deps: ConsumerDeps): Consumer {
  const { eventLog, clock, logger, config } = deps;
  const settings = { ...defaultConsumerSettings, ...deps.settings };
  const metrics = createConsumerMetrics(deps.metrics);
  const live = createLiveTouches({ liveBus: deps.liveBus, clock, intervalMs: config.liveIntervalMs });
  const counters = deps.cache
    ? createCounterUpdates({ ...deps, cache: deps.cache, intervalMs: settings.countersIntervalMs })
    : null;
  const loop = createConsumerLoop({
    warehouse: deps.warehouse,
    clock,
    logger,
    settings,
    metrics,
    live: {
      ...live,
      add(touch) {
        live.add(touch);
        counters?.add(touch);
      },
    },
  });
  let reader: LogReader | null = null;
  let upkeep: { dispose(): Promise<void> } | null = null;
  let disposing: Promise<void> | null = null;

  async function dispose(): Promise<void> {
    await loop.stop();
    await upkeep?.dispose();
    await reader?.dispose();
    await counters?.dispose();
    live.dispose();
  }

  /** A broker that is restarting finds no coordinator for a while; that is no reason to end. */
  async function openReader(): Promise<LogReader> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await eventLog.openReader({
          group: settings.group,
          onAssigned: async (assigned) => loop.assign(assigned),
          onRevoked: (partitions) => loop.revoke(partitions),
        });
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'LOG_UNAVAILABLE' || disposing) throw error;
        if (attempt % 20 === 1) logger.warn({ err: error }, 'the event log is away; waiting for it');
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  return {
    async start() {
      if (reader || disposing) throw new CodedError('INTERNAL', { message: 'A consumer starts once.' });
      reader = await openReader();
      loop.run(reader, eventLog.partitionCount);
      upkeep = startUpkeep({
        eventLog,
        warehouse: deps.warehouse,
        clock,
        logger,
        config,
        metrics,
        settings,
        isFirst: () => loop.partitions().includes(0),
        ...(deps.directory ? { directory: deps.directory } : {}),
      });
    },
    async ready() {
      const trouble = reader ? loop.trouble() : 'not started';
      if (trouble) throw new CodedError('NOT_READY', { message: `The consumer is not ready: ${trouble}.` });
    },
    lag: () => readLag(eventLog, settings.group),
    dispose: () => (disposing ??= dispose()),
  };
}
