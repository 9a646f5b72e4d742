import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, LogReader, LogReaderOptions, LogRecord } from '@tributary/platform/event-log';
import { CodedError } from '@tributary/schema';

/**
 * The log as arrays, its partitions shared by the readers of one group as a broker shares them: at each change of the
 * members all partitions are taken away and given anew, under a greater epoch.
 */
export interface GroupEventLog extends EventLog {
  /**
   * The session of the n-th reader opened is over, as of a process that was stopped: its partitions go to the others, and
   * it hears nothing of it until it asks for records again, when it joins anew.
   */
  expel(reader: number): Promise<void>;
  /** Which partitions the n-th reader has. */
  partitionsOf(reader: number): readonly number[];
}

interface Member {
  readonly options: LogReaderOptions;
  readonly positions: Map<number, number>;
  state: 'member' | 'expelled' | 'left';
}

// Over 50 lines: the state of one group, which its functions share.
export function createGroupEventLog(partitionCount: number): GroupEventLog {
  const records: LogRecord[][] = Array.from({ length: partitionCount }, () => []);
  const committed = records.map(() => 0n);
  const members: Member[] = [];
  let epoch = 0n;
  let rebalancing = Promise.resolve();

  /** One after the other: a rebalance waits until everybody who still answers has let go. */
  function rebalance(change: () => void): Promise<void> {
    rebalancing = rebalancing.then(async () => {
      const holders = members.filter(({ state, positions }) => state === 'member' && positions.size > 0);
      await Promise.all(holders.map(revokeAll));
      change();
      epoch += 1n;
      const active = members.filter(({ state }) => state === 'member');
      await Promise.all(active.map((member, index) => assignShare(member, index, active.length)));
    });
    return rebalancing;
  }

  async function revokeAll(member: Member): Promise<void> {
    const partitions = [...member.positions.keys()];
    await member.options.onRevoked?.(partitions);
    member.positions.clear();
  }

  async function assignShare(member: Member, index: number, of: number): Promise<void> {
    const mine = records.map((_, partition) => partition).filter((partition) => partition % of === index);
    const assigned = mine.map((partition) => ({ partition, fromOffset: committed[partition]!, epoch }));
    await member.options.onAssigned?.(assigned);
    for (const { partition, fromOffset } of assigned) member.positions.set(partition, Number(fromOffset));
  }

  function collect(member: Member, maxBytes: number): LogRecord[] {
    const taken: LogRecord[] = [];
    let room = maxBytes;
    for (const [partition, position] of member.positions) {
      for (const record of records[partition]!.slice(position)) {
        if (room <= 0 && taken.length > 0) break;
        taken.push(record);
        room -= record.body.length;
        member.positions.set(partition, Number(record.offset) + 1);
      }
    }
    return taken;
  }

  function readerOf(member: Member): LogReader {
    return {
      async next({ maxBytes, waitMs }) {
        if (member.state === 'expelled') {
          await revokeAll(member);
          await rebalance(() => {
            member.state = 'member';
          });
        }
        const found = collect(member, maxBytes);
        if (found.length > 0) return found;
        await sleep(Math.min(waitMs, 2));
        return collect(member, maxBytes);
      },
      async commit(partition, nextOffset) {
        if (member.state !== 'member' || !member.positions.has(partition)) throw new CodedError('STALE_OWNER');
        committed[partition] = nextOffset;
      },
      async seek(partition, offset) {
        if (!member.positions.has(partition)) throw new CodedError('STALE_OWNER');
        member.positions.set(partition, Number(offset));
      },
      async dispose() {
        if (member.state === 'member') {
          await rebalance(() => {
            member.state = 'left';
          });
        }
        member.state = 'left';
      },
    };
  }

  return {
    partitionCount,
    async append(blocks) {
      for (const block of blocks) {
        const { partition } = block.header;
        const list = records[partition]!;
        list.push({ ...block, partition, offset: BigInt(list.length) });
      }
    },
    async openReader(options) {
      const member: Member = { options, positions: new Map(), state: 'left' };
      await rebalance(() => {
        member.state = 'member';
        members.push(member);
      });
      return readerOf(member);
    },
    expel(reader) {
      // At once: it is not asked to let go.
      members[reader]!.state = 'expelled';
      return rebalance(() => {});
    },
    partitionsOf: (reader) => [...members[reader]!.positions.keys()].sort((left, right) => left - right),
    ends: async () =>
      records.map((list, partition) => ({ partition, firstOffset: 0n, nextOffset: BigInt(list.length), bytes: 0 })),
    committed: async () => [...committed],
    applyRetention: async () => ({ droppedRecords: 0, droppedBytes: 0 }),
    checkHealth: async () => {},
    dispose: async () => {},
  };
}
