import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, LogReader, LogReaderOptions, LogRecord } from '@tributary/platform/event-log';
import type { LogBlock } from '@tributary/schema';

/** The log as arrays, for tests that open and abandon hundreds of readers. Several readers of a group may exist. */
export function createMemoryEventLog(partitionCount: number): EventLog {
  const records: LogRecord[][] = Array.from({ length: partitionCount }, () => []);
  const committed = new Map<string, bigint[]>();
  const committedOf = (group: string) => {
    const offsets = committed.get(group) ?? Array.from({ length: partitionCount }, () => 0n);
    committed.set(group, offsets);
    return offsets;
  };
  return {
    partitionCount,
    async append(blocks: readonly LogBlock[]) {
      for (const block of blocks) {
        const { partition } = block.header;
        const list = records[partition]!;
        list.push({ ...block, partition, offset: BigInt(list.length) });
      }
    },
    openReader: async (options) => openReader(records, committedOf(options.group), options),
    ends: async () =>
      records.map((list, partition) => ({ partition, firstOffset: 0n, nextOffset: BigInt(list.length), bytes: 0 })),
    committed: async (group) => [...committedOf(group)],
    applyRetention: async () => ({ droppedRecords: 0, droppedBytes: 0 }),
    checkHealth: async () => {},
    dispose: async () => {},
  };
}

function openReader(
  records: readonly (readonly LogRecord[])[],
  committed: bigint[],
  options: LogReaderOptions,
): LogReader {
  const positions = records.map((_, partition) => Number(committed[partition]));
  let isAssigned = false;
  const collect = (maxBytes: number): LogRecord[] => {
    const taken: LogRecord[] = [];
    let room = maxBytes;
    for (const [partition, list] of records.entries()) {
      while (positions[partition]! < list.length && (room > 0 || taken.length === 0)) {
        const record = list[positions[partition]!]!;
        taken.push(record);
        room -= record.body.length;
        positions[partition]! += 1;
      }
    }
    return taken;
  };
  return {
    async next({ maxBytes, waitMs }) {
      if (!isAssigned) {
        isAssigned = true;
        await options.onAssigned?.(committed.map((fromOffset, partition) => ({ partition, fromOffset, epoch: 1n })));
      }
      const records = collect(maxBytes);
      if (records.length > 0) return records;
      await sleep(Math.min(waitMs, 2));
      return collect(maxBytes);
    },
    async commit(partition, nextOffset) {
      committed[partition] = nextOffset;
    },
    async seek(partition, offset) {
      positions[partition] = Number(offset);
    },
    async dispose() {
      if (isAssigned) await options.onRevoked?.(records.map((_, partition) => partition));
    },
  };
}
