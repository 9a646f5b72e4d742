import kafkajs, { type Admin } from 'kafkajs';
import { mendKafkaJs } from './kafka/kafkajs-client.ts';

/** What an operator does to a topic while the product runs. */
interface TopicAt {
  readonly brokers: readonly string[];
  readonly topic: string;
}

/** Adds partitions; resolves when the brokers know of them. */
export function growTopic({ brokers, topic }: TopicAt, partitions: number): Promise<void> {
  return administered(brokers, async (admin) => {
    await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] });
    const deadline = Date.now() + 30_000;
    for (;;) {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const led = topics[0]!.partitions.filter(({ leader }) => leader >= 0);
      if (led.length === partitions) return;
      if (Date.now() > deadline) throw new Error('the topic did not grow in time');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

/** Drops all that a partition holds now, as retention does. */
export function dropRecords({ brokers, topic }: TopicAt, partition: number): Promise<void> {
  return administered(brokers, async (admin) => {
    // kafkajs deletes only in topics that it was asked about before.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: '-1' }] });
  });
}

async function administered(brokers: readonly string[], work: (admin: Admin) => Promise<void>): Promise<void> {
  mendKafkaJs();
  const admin = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.disconnect();
  }
}
