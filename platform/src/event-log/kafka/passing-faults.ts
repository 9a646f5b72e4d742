import { setTimeout as sleep } from 'node:timers/promises';

const passingTypes = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
]);
const attempts = 50;
const pauseMs = 100;

/**
 * Asks again, for some five seconds, while the answer is one of those that brokers give for a moment: after a topic was
 * made, a broker started or a leader changed. kafkajs's administration client gives up at the first of them.
 */
export async function despitePassingFaults<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const { type = '' } = error as { readonly type?: string };
      if (!passingTypes.has(type) || attempt >= attempts) throw error;
    }
    await sleep(pauseMs);
  }
}
