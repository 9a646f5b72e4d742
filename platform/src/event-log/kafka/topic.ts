import { CodedError } from '@tributary/schema';
import kafkajs, { type Admin, type ITopicMetadata } from 'kafkajs';
import { despitePassingFaults } from './passing-faults.ts';
import { readEnds } from './positions.ts';
import type { KafkaSettings } from './settings.ts';

/**
 * Makes the topic when it is absent, then checks the one that is there. Throws CONFIG_INVALID, with all faults, when it
 * can't keep what the event log promises; what is only unusual is logged.
 */
export async function ensureTopic(admin: Admin, settings: KafkaSettings): Promise<void> {
  const { topic, partitions, replication } = settings;
  const names = await admin.listTopics();
  if (!names.includes(topic)) {
    await admin.createTopics({
      // kafkajs's own waiting fails when a broker does not know the topic yet.
      waitForLeaders: false,
      topics: [
        { topic, numPartitions: partitions, replicationFactor: replication, configEntries: configEntriesOf(settings) },
      ],
    });
  }
  // A topic that was just made, here or by another process, takes a moment to be known to every broker and to be led.
  const metadata = await despitePassingFaults(() => describeTopic(admin, topic));
  await readEnds(admin, topic);
  const config = await describeConfig(admin, topic);
  const faults = faultsOf(metadata, config, settings);
  if (faults.length > 0) {
    throw new CodedError('CONFIG_INVALID', {
      message: `The Kafka topic ${topic} cannot be used:\n  ${faults.join('\n  ')}`,
      details: { topic, faults },
    });
  }
  warnOf(metadata, config, settings);
}

export async function describeTopic(admin: Admin, topic: string): Promise<ITopicMetadata> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics[0]!;
}

/**
 * What is wrong when partitions were added while this process runs; null when none were. Keys have other partitions then: who
 * works on with the number of before meets the repeats of a key elsewhere than the others, and would count it twice.
 */
export function growthFault(partitions: number, settings: Pick<KafkaSettings, 'topic' | 'partitions'>): string | null {
  if (partitions === settings.partitions) return null;
  return (
    `The Kafka topic ${settings.topic} has ${partitions} partitions, and ${settings.partitions} are configured: drain the log, ` +
    `then start all roles with TRIBUTARY_LOG_PARTITIONS=${partitions} (docs/operations/kafka.md)`
  );
}

function configEntriesOf(settings: KafkaSettings): { name: string; value: string }[] {
  const entries = {
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    // By the broker's clock: a host with a wrong one must not make its events expire early or never.
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': String(settings.retentionMs),
    // Age alone decides: a limit of bytes would drop what no consumer has read yet.
    'retention.bytes': '-1',
    'max.message.bytes': String(settings.maxMessageBytes),
    'min.insync.replicas': settings.replication >= 3 ? '2' : '1',
    'unclean.leader.election.enable': 'false',
  };
  return Object.entries(entries).map(([name, value]) => ({ name, value }));
}

type TopicConfig = Readonly<Record<string, string>>;

async function describeConfig(admin: Admin, topic: string): Promise<TopicConfig> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  const entries = resources[0]?.configEntries ?? [];
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]));
}

function faultsOf({ partitions }: ITopicMetadata, config: TopicConfig, settings: KafkaSettings): string[] {
  const replicas = replicasOf(partitions);
  const insync = Number(config['min.insync.replicas'] ?? 1);
  return [
    partitions.length !== settings.partitions &&
      `it has ${partitions.length} partition(s), but ${settings.partitions} are configured: set ` +
        `TRIBUTARY_LOG_PARTITIONS=${partitions.length} (docs/operations/kafka.md says how the count is changed)`,
    config['cleanup.policy'] !== 'delete' &&
      `cleanup.policy is ${config['cleanup.policy']}, which would drop blocks that nobody read: it must be delete`,
    Number(config['max.message.bytes']) < settings.maxMessageBytes &&
      `max.message.bytes is ${config['max.message.bytes']}: it must be ${settings.maxMessageBytes} or more`,
    replicas >= 3 && insync < 2 && 'min.insync.replicas is 1, so that an acknowledged event may be on one disk: set 2',
    config['unclean.leader.election.enable'] === 'true' &&
      'unclean.leader.election.enable is true, which may lose acknowledged events: set false',
  ].filter((fault) => fault !== false);
}

function warnOf({ partitions }: ITopicMetadata, config: TopicConfig, settings: KafkaSettings): void {
  const { topic, logger } = settings;
  const replicas = replicasOf(partitions);
  if (replicas < 3) {
    logger?.warn(
      { topic, replicas },
      'The topic has fewer than 3 replicas: acknowledged events are lost with their broker. For tests only.',
    );
  }
  if (config['retention.ms'] !== String(settings.retentionMs)) {
    logger?.warn(
      { topic, retentionMs: config['retention.ms'], configuredMs: settings.retentionMs },
      'The topic keeps events for another time than configured; the topic decides.',
    );
  }
}

function replicasOf(partitions: ITopicMetadata['partitions']): number {
  return Math.min(...partitions.map(({ replicas }) => replicas.length));
}
