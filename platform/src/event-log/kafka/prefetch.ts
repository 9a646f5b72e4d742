import type { KafkaMessage } from 'kafkajs';
import type { LogRecord } from '../../event-log.ts';
import { decodeRecord } from './record.ts';

/** Records read ahead of `next`, by partition. */
export interface Prefetch {
  /** Adds records that follow those held; returns true when the partition holds its share and should be paused. */
  add(partition: number, messages: readonly KafkaMessage[]): boolean;
  /**
   * The next records of the partitions that have some, as collectRecords of the embedded log: shares of `maxBytes`, who
   * comes first changes with each call. Throws CodedError INTERNAL for a damaged block and takes nothing then.
   */
  take(maxBytes: number): LogRecord[];
  /** Partitions that were said to be full and have room again; each is named once. */
  relieved(): number[];
  /** Forgets what a partition holds; true when it was full. */
  drop(partition: number): boolean;
  clear(): void;
}

interface Queue {
  messages: KafkaMessage[];
  bytes: number;
  full: boolean;
}

/** `limitBytes` is shared evenly among `partitions()` many. */
export function createPrefetch(limitBytes: number, partitions: () => number): Prefetch {
  const queues = new Map<number, Queue>();
  let turn = 0;
  const share = (): number => limitBytes / Math.max(1, partitions());

  function takeFrom(partition: number, queue: Queue, room: number, isFirst: boolean): LogRecord[] {
    const records: LogRecord[] = [];
    let left = room;
    for (const message of queue.messages) {
      if (left <= 0 && !(isFirst && records.length === 0)) break;
      records.push(decodeRecord(message, partition));
      left -= sizeOf(message);
    }
    return records;
  }

  return {
    add(partition, messages) {
      const queue = queues.get(partition) ?? { messages: [], bytes: 0, full: false };
      queues.set(partition, queue);
      for (const message of messages) {
        queue.messages.push(message);
        queue.bytes += sizeOf(message);
      }
      queue.full ||= queue.bytes >= share();
      return queue.full;
    },
    take(maxBytes) {
      const behind = [...queues]
        .filter(([, { messages }]) => messages.length > 0)
        .sort(([a], [b]) => Number(a < turn) - Number(b < turn) || a - b);
      const taken: LogRecord[] = [];
      const counts: [Queue, number][] = [];
      let room = maxBytes;
      for (const [index, [partition, queue]] of behind.entries()) {
        if (room <= 0 && taken.length > 0) break;
        const records = takeFrom(partition, queue, Math.ceil(room / (behind.length - index)), taken.length === 0);
        taken.push(...records);
        counts.push([queue, records.length]);
        for (const message of queue.messages.slice(0, records.length)) room -= sizeOf(message);
      }
      // Only now: had a later block thrown, the records before it would be lost to the caller.
      for (const [queue, count] of counts) {
        for (const message of queue.messages.slice(0, count)) queue.bytes -= sizeOf(message);
        queue.messages = queue.messages.slice(count);
      }
      const first = behind[0];
      if (first) turn = first[0] + 1;
      return taken;
    },
    relieved() {
      const names: number[] = [];
      for (const [partition, queue] of queues) {
        if (!queue.full || queue.bytes > share() / 2) continue;
        queue.full = false;
        names.push(partition);
      }
      return names;
    },
    drop(partition) {
      const wasFull = queues.get(partition)?.full ?? false;
      queues.delete(partition);
      return wasFull;
    },
    clear: () => queues.clear(),
  };
}

/** What a message holds in memory, about. */
function sizeOf(message: KafkaMessage): number {
  return (message.value?.length ?? 0) + 512;
}
