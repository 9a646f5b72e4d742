import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { EventLog } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { Config } from '@tributary/schema';
import { applyAppRetention } from './app-retention.ts';
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
  readonly warehouse: Warehouse;
  /** Says how long apps keep their events, and which tracking links there are. Without it neither is looked after. */
  readonly directory?: Pick<Directory, 'current'>;
  /** Whether this consumer is the one of its group that looks after what belongs to all. */
  readonly isFirst: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<Config, 'eventLog'>;
  readonly metrics: ConsumerMetrics;
  readonly settings: Pick<
    ConsumerSettings,
    'group' | 'retentionIntervalMs' | 'lagIntervalMs' | 'appRetentionIntervalMs' | 'mirrorIntervalMs'
  >;
}

/**
 * What the consumer does beside its batches: keeps the log within its limits and the apps within their retention, mirrors
 * the tracking links, and measures the lag.
 */
export function startUpkeep(deps: UpkeepDeps): { dispose(): Promise<void> } {
  const { eventLog, clock, logger, config, metrics, settings, directory } = deps;
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
    ...(directory ? [keepAppRetention(deps, directory), mirrorLinks(deps, directory)] : []),
  ];
  return {
    async dispose() {
      await Promise.all(loops.map((loop) => loop.dispose()));
    },
  };
}

function keepAppRetention(
  { warehouse, clock, logger, settings, isFirst }: UpkeepDeps,
  directory: Pick<Directory, 'current'>,
) {
  return every(settings.appRetentionIntervalMs, logger, 'apply the retention of the apps', async () => {
    if (!isFirst()) return;
    const plan = await applyAppRetention(warehouse, directory.current().apps, clock.now());
    if (plan.dropMonths.length + plan.deleteIn.length > 0) logger.info(plan, 'events past their retention are removed');
  });
}

/** Whenever the directory has changed: all links, since the latest version of each counts. */
function mirrorLinks({ warehouse, logger, settings, isFirst }: UpkeepDeps, directory: Pick<Directory, 'current'>) {
  let mirrored = 0;
  return every(settings.mirrorIntervalMs, logger, 'mirror the tracking links', async () => {
    const { version, links } = directory.current();
    if (version === mirrored || !isFirst()) return;
    const rows = links.map(({ tenantId, appId, linkId, slug, campaignId, network }) => ({
      tenant_id: tenantId,
      app_id: appId,
      link_id: linkId,
      slug,
      campaign_id: campaignId ?? '',
      network: network ?? '',
      version,
    }));
    for (let from = 0; from < rows.length; from += 10_000) {
      await warehouse.insertRows({
        name: 'consumer.mirror_links',
        table: 'links_mirror',
        rows: rows.slice(from, from + 10_000),
      });
    }
    mirrored = version;
  });
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
