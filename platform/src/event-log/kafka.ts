import { CodedError } from '@tributary/schema';
import type { Admin } from 'kafkajs';
import type { EventLog, LogReader } from '../event-log.ts';
import { createKafkaAppender } from './kafka/appender.ts';
import { createKafkaJs } from './kafka/kafkajs-client.ts';
import { groupIdOf, readCommitted, readEnds } from './kafka/positions.ts';
import { createKafkaReader } from './kafka/reader.ts';
import { type KafkaEventLogOptions, type KafkaSettings, withDefaults } from './kafka/settings.ts';
import { describeTopic, ensureTopic, growthFault } from './kafka/topic.ts';
import { assertPartition } from './reader.ts';
import { withinTime } from './within-time.ts';

export { type KafkaEventLogOptions, type KafkaSasl, kafkaOptionsOf } from './kafka/settings.ts';

/**
 * The event log on Kafka, or what speaks its protocol: one topic, made when it is absent. Produces with
 * `@platformatic/kafka`, consumes and administers with `kafkajs` (ARCHITECTURE.md says why both). The readers of a group
 * share its partitions.
 *
 * Rejects with CONFIG_INVALID when the topic can't keep what the log promises (all faults are listed), with
 * LOG_UNAVAILABLE when no broker answers.
 *
 * @example
 * const log = await openKafkaEventLog({ brokers: ['127.0.0.1:9092'], topic: 'events-raw', partitions: 4, replication: 1 });
 * await log.append([block]); // every in-sync replica has it now
 */
export async function openKafkaEventLog(options: KafkaEventLogOptions): Promise<EventLog> {
  const settings = withDefaults(options);
  const { topic, partitions } = settings;
  const kafka = createKafkaJs(settings);
  const admin = kafka.admin();
  try {
    await admin.connect();
    await ensureTopic(admin, settings);
  } catch (cause) {
    await admin.disconnect().catch(() => undefined);
    throw unavailable(cause);
  }
  const appender = createKafkaAppender(settings);
  const readers = new Set<LogReader>();
  let disposing: Promise<void> | null = null;

  async function dispose(): Promise<void> {
    const ended = await Promise.allSettled([...[...readers].map((reader) => reader.dispose()), appender.dispose()]);
    await admin.disconnect();
    const failed = ended.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  return {
    partitionCount: partitions,
    async append(blocks) {
      for (const { header } of blocks) assertPartition(header.partition, partitions);
      await appender.append(blocks);
    },
    async openReader(readerOptions) {
      const reader = createKafkaReader({ kafka, admin, settings }, readerOptions);
      readers.add(reader);
      const forget = (): boolean => readers.delete(reader);
      return { ...reader, dispose: () => reader.dispose().finally(forget) };
    },
    ends: () => readEnds(admin, topic).catch(rethrowUnavailable),
    async committed(group) {
      const committed = await readCommitted(admin, groupIdOf(topic, group), topic).catch(rethrowUnavailable);
      return Array.from({ length: partitions }, (_, partition) => committed[partition]?.offset ?? 0n);
    },
    applyRetention: async () => ({ droppedRecords: 0, droppedBytes: 0 }),
    async checkHealth() {
      await withinTime(assertWritable(admin, settings), settings.healthTimeoutMs).catch(rethrowUnavailable);
    },
    dispose: () => (disposing ??= dispose()),
  };
}

/** Every partition that is configured, and no other, has a leader: what an append needs. A probe would be a record that readers see. */
async function assertWritable(admin: Admin, settings: KafkaSettings): Promise<void> {
  const { partitions } = await describeTopic(admin, settings.topic);
  const fault = growthFault(partitions.length, settings);
  if (fault) throw new CodedError('LOG_UNAVAILABLE', { message: fault });
  const leaderless = partitions.filter(({ leader }) => leader < 0).map(({ partitionId }) => partitionId);
  if (leaderless.length > 0) {
    throw new CodedError('LOG_UNAVAILABLE', { message: `Partitions ${leaderless.join(', ')} have no leader.` });
  }
}

function unavailable(cause: unknown): CodedError {
  return cause instanceof CodedError ? cause : new CodedError('LOG_UNAVAILABLE', { cause });
}

function rethrowUnavailable(cause: unknown): never {
  throw unavailable(cause);
}
