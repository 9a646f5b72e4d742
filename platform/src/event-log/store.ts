import { CodedError } from '@tributary/schema';
import { type Database, open, type RootDatabase } from 'lmdb';
import { livenessOf, type ProcessIdentity } from '../process-identity.ts';

/**
 * The tables of the LMDB log and what is read and written in them. Writes run inside a transaction of the write queue;
 * reads see the newest snapshot after `refresh`.
 */
export interface LogStore {
  readonly root: RootDatabase;
  readonly records: Database<Buffer, [partition: number, offset: number]>;
  /** Makes the following reads see what other processes committed. */
  refresh(): void;
  state(partition: number): PartitionState;
  states(): readonly PartitionState[];
  writeStates(states: readonly PartitionState[]): void;
  committed(group: string): readonly number[];
  writeCommitted(group: string, partition: number, nextOffset: number): void;
  /** The epoch of this assignment when the group belongs to this reader from now on; null while a running reader has it. */
  takeOwnership(group: string, owner: ReaderOwner): number | null;
  isOwner(group: string, readerId: string): boolean;
  dropOwnership(group: string, readerId: string): void;
  /** Writes bytes that nobody reads. */
  writeProbe(bytes: Buffer): void;
  close(): Promise<void>;
}

export interface PartitionState {
  readonly nextOffset: number;
  readonly firstOffset: number;
  /** Frames held, without LMDB's own overhead. */
  readonly bytes: number;
}

export interface ReaderOwner extends ProcessIdentity {
  readonly readerId: string;
}

const statesKey = 'partitions';
const numbersPerState = 3;

/**
 * Opens the environment in `dir`. Throws CONFIG_INVALID when it was made with another number of partitions, and
 * LOG_UNAVAILABLE when it cannot be opened. (Over 50 lines: a table of short functions over one environment.)
 */
export function openLogStore(dir: string, partitionCount: number): LogStore {
  const { root, records, meta, owners } = openTables(dir);
  const numbersAt = (key: string, length: number): number[] => {
    const stored = meta.get(key);
    return Array.from({ length }, (_, index) => (stored ? stored.readDoubleLE(index * 8) : 0));
  };
  const writeNumbers = (key: string, numbers: readonly number[]): void => {
    const stored = Buffer.allocUnsafe(numbers.length * 8);
    for (const [index, number] of numbers.entries()) stored.writeDoubleLE(number, index * 8);
    meta.putSync(key, stored);
  };
  const states = (): PartitionState[] => {
    const numbers = numbersAt(statesKey, partitionCount * numbersPerState);
    return Array.from({ length: partitionCount }, (_, partition) => stateAt(numbers, partition));
  };

  const found = root.transactionSync(() => {
    const stored = meta.get(statesKey);
    if (stored) return stored.length / 8 / numbersPerState;
    writeNumbers(statesKey, new Array<number>(partitionCount * numbersPerState).fill(0));
    return partitionCount;
  });
  if (found !== partitionCount) {
    void root.close();
    throw otherPartitionCount(dir, found, partitionCount);
  }

  return {
    root,
    records,
    refresh: () => root.resetReadTxn(),
    state: (partition) => states()[partition]!,
    states,
    writeStates: (changed) =>
      writeNumbers(
        statesKey,
        changed.flatMap(({ nextOffset, firstOffset, bytes }) => [nextOffset, firstOffset, bytes]),
      ),
    committed: (group) => numbersAt(`committed:${group}`, partitionCount),
    writeCommitted(group, partition, nextOffset) {
      const offsets = numbersAt(`committed:${group}`, partitionCount);
      offsets[partition] = nextOffset;
      writeNumbers(`committed:${group}`, offsets);
    },
    takeOwnership(group, owner) {
      const holder = owners.get(group);
      // A holder of another PID namespace is gone: a data directory has one process family (data-dir-lock.ts).
      if (holder && holder.readerId !== owner.readerId && livenessOf(holder) === 'running') return null;
      owners.putSync(group, owner);
      // Of the clock, so that a log made anew beside an old warehouse does not begin below the epochs written there.
      const epoch = Math.max(numbersAt(`epoch:${group}`, 1)[0]! + 1, Date.now());
      writeNumbers(`epoch:${group}`, [epoch]);
      return epoch;
    },
    isOwner: (group, readerId) => owners.get(group)?.readerId === readerId,
    dropOwnership(group, readerId) {
      if (owners.get(group)?.readerId === readerId) owners.removeSync(group);
    },
    writeProbe: (bytes) => meta.putSync('probe', bytes),
    close: () => root.close(),
  };
}

function openTables(dir: string) {
  try {
    const root = open({
      path: dir,
      // A name with a dot would make lmdb take the path for a file.
      noSubdir: false,
      // The file grows by itself: no mapSize.
      maxDbs: 4,
      // The write queue makes the batches. lmdb's own would add a promise that nobody holds; its rejection on a full disk
      // would end the process.
      eventTurnBatching: false,
      // A commit is on disk when it returns. Overlapping syncs are no faster here (270 MB/s both), and a process killed -9
      // while it holds their lock leaves every other process of the log with MDB_PANIC for good.
      overlappingSync: false,
    });
    return {
      root,
      records: root.openDB<Buffer, [number, number]>('records', { encoding: 'binary' }),
      meta: root.openDB<Buffer, string>('meta', { encoding: 'binary' }),
      owners: root.openDB<ReaderOwner, string>('owners', { encoding: 'json' }),
    };
  } catch (cause) {
    throw new CodedError('LOG_UNAVAILABLE', { message: `The event log in ${dir} cannot be opened.`, cause });
  }
}

function stateAt(numbers: readonly number[], partition: number): PartitionState {
  const [nextOffset = 0, firstOffset = 0, bytes = 0] = numbers.slice(partition * numbersPerState);
  return { nextOffset, firstOffset, bytes };
}

function otherPartitionCount(dir: string, found: number, wanted: number): CodedError {
  return new CodedError('CONFIG_INVALID', {
    message:
      `The event log in ${dir} was made with ${found} partition(s), but ${wanted} are configured. ` +
      `Set TRIBUTARY_LOG_PARTITIONS=${found}, or start with another data directory.`,
    details: { found, wanted },
  });
}
