import type { Clock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Config } from '@tributary/schema';
import type { ConsumerMetrics } from './metrics.ts';
import type { ConsumerSettings } from './settings.ts';

/** How far the consumer is behind the log. */
export interface PartitionLag {
  readonly partition: number;
  readonly committedOffset: bigint;
  /** The next offset to be written. */
  readonly nextOffset: bigint;
  /** Blocks past the committed offset. */
  readonly blocks: number;
}

export async function readLag(eventLog: EventLog, group: string): Promise<PartitionLag[]> {
  // Committed first: the other way round, a lag could come out below zero.
  const committed = await eventLog.committed(group);
  const ends = await eventLog.ends();
  return ends.map(({ partition, firstOffset, nextOffset }) => {
    const asked = committed[partition] ?? 0n;
    const committedOffset = asked < firstOffset ? firstOffset : asked;
    return { partition, committedOffset, nextOffset, blocks: Number(nextOffset - committedOffset) };
  });
}

interface UpkeepDeps {
  readonly eventLog: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<Config, 'eventLog'>;
  readonly metrics: ConsumerMetrics;
  readonly settings: Pick<ConsumerSettings, 'group' | 'retentionIntervalMs' | 'lagIntervalMs'>;
}

/** What the consumer does beside its batches: keeps the log within its limits and measures the lag. */
export function startUpkeep(deps: UpkeepDeps): { dispose(): Promise<void> } {
  const { eventLog, clock, logger, config, metrics, settings } = deps;
  const loops = [
    every(settings.retentionIntervalMs, logger, 'apply the retention of the log', async () => {
      const dropped = await eventLog.applyRetention({
        maxAgeMs: config.eventLog.retentionHours * 3_600_000,
        maxBytes: config.eventLog.retentionBytes,
        nowMs: clock.now(),
        protectGroups: [settings.group],
      });
      if (dropped.droppedRecords > 0) logger.info(dropped, 'old blocks were dropped from the log');
    }),
    every(settings.lagIntervalMs, logger, 'measure the lag', async () => {
      for (const { partition, blocks } of await readLag(eventLog, settings.group)) metrics.lag(partition, blocks);
    }),
  ];
  return {
    async dispose() {
      await Promise.all(loops.map((loop) => loop.dispose()));
    },
  };
}

/** Runs the work again and again, never twice at once; a failure is logged, and the next time comes. */
function every(
  intervalMs: number,
  logger: Logger,
  what: string,
  work: () => Promise<void>,
): { dispose(): Promise<void> } {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= work()
      .catch((error: unknown) => logger.warn({ err: error, what }, 'could not be done this time'))
      .finally(() => {
        running = null;
      });
  }, intervalMs);
  timer.unref();
  return {
    async dispose() {
      clearInterval(timer);
      await running;
    },
  };
}
