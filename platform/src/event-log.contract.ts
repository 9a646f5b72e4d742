import type { LogBlock } from '@tributary/schema';
import { aBlock } from './event-log/block.testing.ts';
import type { EventLog, LogReader, LogReaderOptions, LogRecord, RetentionOptions } from './event-log.ts';

/** One empty log, and the means to open it as often as a test needs. */
export interface EventLogStore {
  open(): Promise<EventLog>;
  /** Called after all openings were disposed. */
  remove(): Promise<void>;
}

/** Where the adapters' promises differ: who drops old records and knows how many bytes are held, the log or its broker. */
export interface EventLogTraits {
  readonly retention: 'own' | 'broker';
}

const partitions = 3;
const all = { maxBytes: 100_000_000, waitMs: 5_000 };
const none = { maxBytes: 100_000_000, waitMs: 30 };

/** What every adapter of the event log promises. `create` makes an empty log of the given number of partitions. */
export function describeEventLogContract(
  name: string,
  create: (options: { readonly partitions: number }) => Promise<EventLogStore>,
  { retention }: EventLogTraits = { retention: 'own' },
): void {
  describe(`event log: ${name}`, () => {
    let store: EventLogStore;
    let log: EventLog;
    let opened: EventLog[];
    const open = async (): Promise<EventLog> => {
      const another = await store.open();
      opened.push(another);
      return another;
    };
    beforeEach(async () => {
      opened = [];
      store = await create({ partitions });
      log = await open();
    });
    afterEach(async () => {
      await Promise.all(opened.map((each) => each.dispose()));
      await store.remove();
    });

    describeReading(() => log);
    describeOffsets(() => log, open);
    describeOwnership(() => log, open);
    if (retention === 'own') describeRetention(() => log);
    else describeBrokersRetention(() => log);
    describeAppending(() => log);
  });
}

function describeAppending(log: () => EventLog): void {
  it('refuses a block that is not whole, and takes none of the call', async () => {
    await expect(log().append([aBlock(), aBlock({ lineLengths: [1] })])).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(log().append([aBlock({ partition: partitions })])).rejects.toMatchObject({ code: 'INTERNAL' });
    expect((await log().ends()).every(({ nextOffset }) => nextOffset === 0n)).toBe(true);
  });

  it('finishes appends under way before it closes, then refuses with LOG_UNAVAILABLE', async () => {
    const blocks = Array.from({ length: 20 }, (_, index) => aBlock({ partition: index % partitions }));
    const appending = blocks.map((block) => log().append([block]));
    await Promise.all([log().dispose(), log().dispose()]);
    await expect(Promise.all(appending)).resolves.toHaveLength(20);
    await expect(log().append([aBlock()])).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  it('says that it is healthy while it is', async () => {
    await expect(log().checkHealth()).resolves.toBeUndefined();
  });

  it('takes an empty call', async () => {
    await expect(log().append([])).resolves.toBeUndefined();
  });
}

function describeReading(log: () => EventLog): void {
  it('gives every block back whole, in the order of appends within its partition', async () => {
    const blocks = Array.from({ length: 60 }, (_, index) =>
      aBlock({
        partition: index % partitions,
        count: (index % 7) + 1,
        lineBytes: index === 30 ? 300_000 : 50,
        kind: index % 10 === 0 ? 'dead_letters' : 'events',
      }),
    );
    for (const chunk of [blocks.slice(0, 1), blocks.slice(1, 20), blocks.slice(20)]) await log().append(chunk);
    const reader = await log().openReader({ group: 'g' });
    const records = await readCount(reader, blocks.length, 10_000);
    for (let partition = 0; partition < partitions; partition += 1) {
      const own = records.filter((record) => record.partition === partition);
      const wanted = blocks.filter(({ header }) => header.partition === partition);
      expect(own.map(({ offset }) => offset)).toEqual(wanted.map((_, index) => BigInt(index)));
      expect(own.map(blockOf)).toEqual(wanted.map(blockOf));
    }
    expect(await reader.next(none)).toEqual([]);
  });

  it('gives at least one record when there is one, however small maxBytes is', async () => {
    await log().append([aBlock(), aBlock()]);
    const reader = await log().openReader({ group: 'g' });
    expect(await reader.next({ maxBytes: 1, waitMs: 5_000 })).toHaveLength(1);
    expect(await reader.next({ maxBytes: 1, waitMs: 5_000 })).toHaveLength(1);
  });

  it('does not let a long partition keep the others waiting', async () => {
    const long = Array.from({ length: 200 }, () => aBlock({ partition: 0, lineBytes: 1_000 }));
    await log().append(long);
    await log().append([aBlock({ partition: 1 }), aBlock({ partition: 2 })]);
    const reader = await log().openReader({ group: 'g' });
    const seen = new Set<number>();
    for (let turn = 0; turn < partitions; turn += 1) {
      for (const record of await reader.next({ maxBytes: 5_000, waitMs: 5_000 })) seen.add(record.partition);
    }
    expect([...seen].sort()).toEqual([0, 1, 2]);
  });

  it('wakes a reader that waits', async () => {
    const reader = await log().openReader({ group: 'g' });
    await reader.next(none);
    const waiting = reader.next({ maxBytes: 1_000_000, waitMs: 20_000 });
    const block = aBlock();
    await log().append([block]);
    expect((await waiting).map(({ header }) => header.blockId)).toEqual([block.header.blockId]);
  });

  it('gives a record again after seek went back', async () => {
    await log().append([aBlock(), aBlock()]);
    const reader = await log().openReader({ group: 'g' });
    expect(await readCount(reader, 2)).toHaveLength(2);
    await reader.seek(0, 1n);
    expect((await reader.next(all)).map(({ offset }) => offset)).toEqual([1n]);
  });

  it('gives nothing more once the reader is disposed', async () => {
    const reader = await log().openReader({ group: 'g' });
    const waiting = reader.next({ maxBytes: 1, waitMs: 20_000 });
    await Promise.all([reader.dispose(), reader.dispose()]);
    expect(await waiting).toEqual([]);
    await log().append([aBlock()]);
    expect(await reader.next(none)).toEqual([]);
  });
}

function describeOffsets(log: () => EventLog, open: () => Promise<EventLog>): void {
  it('continues a group where it committed, in another opening too', async () => {
    await log().append([aBlock(), aBlock(), aBlock({ partition: 1 })]);
    const first = await log().openReader({ group: 'g' });
    await readCount(first, 3);
    await first.commit(0, 1n);
    expect(await log().committed('g')).toEqual([1n, 0n, 0n]);
    await first.dispose();

    const another = await open();
    const second = await another.openReader({ group: 'g' });
    const again = await readCount(second, 2);
    expect(again.map(({ partition, offset }) => [partition, offset]).sort()).toEqual([
      [0, 1n],
      [1, 0n],
    ]);
  });

  it('keeps the offsets of groups apart; one that never committed is at 0', async () => {
    await log().append([aBlock()]);
    const [a, b] = [await log().openReader({ group: 'a' }), await log().openReader({ group: 'b' })];
    expect(await readCount(a, 1)).toHaveLength(1);
    await a.commit(0, 1n);
    expect(await readCount(b, 1)).toHaveLength(1);
    expect(await log().committed('b')).toEqual([0n, 0n, 0n]);
  });

  it('states the ends of its partitions', async () => {
    await log().append([aBlock({ partition: 2 }), aBlock({ partition: 2 })]);
    const ends = await (await open()).ends();
    expect(ends.map(({ firstOffset, nextOffset }) => [firstOffset, nextOffset])).toEqual([
      [0n, 0n],
      [0n, 0n],
      [0n, 2n],
    ]);
  });

  it('gives a block that was sent twice two offsets and one block id', async () => {
    const block = aBlock();
    await log().append([block]);
    await log().append([block]);
    const records = await readCount(await log().openReader({ group: 'g' }), 2);
    expect(records.map(({ offset, header }) => [offset, header.blockId])).toEqual([
      [0n, block.header.blockId],
      [1n, block.header.blockId],
    ]);
  });

  it('gives every block one offset when two openings append at once', async () => {
    const another = await open();
    const blocks = Array.from({ length: 40 }, () => aBlock());
    await Promise.all(blocks.map((block, index) => (index % 2 ? log() : another).append([block])));
    const reader = await log().openReader({ group: 'g' });
    const records = await readCount(reader, blocks.length);
    expect(records.map(({ offset }) => offset)).toEqual(blocks.map((_, index) => BigInt(index)));
    expect(new Set(records.map(({ header }) => header.blockId))).toEqual(
      new Set(blocks.map(({ header }) => header.blockId)),
    );
  });
}

function describeOwnership(log: () => EventLog, open: () => Promise<EventLog>): void {
  it('assigns partitions with their committed offsets, and delivers only after onAssigned resolved', async () => {
    await log().append([aBlock(), aBlock({ partition: 2 })]);
    const before = await log().openReader({ group: 'g' });
    await readCount(before, 2);
    await before.commit(2, 1n);
    await before.dispose();

    let assigned = false;
    const offsets = new Map<number, bigint>();
    const onAssigned: LogReaderOptions['onAssigned'] = async (given) => {
      for (const { partition, fromOffset } of given) offsets.set(partition, fromOffset);
      await new Promise(setImmediate);
      assigned = true;
    };
    const reader = await log().openReader({ group: 'g', onAssigned });
    const records = await readCount(reader, 1);
    expect(assigned).toBe(true);
    expect([...offsets].sort()).toEqual([
      [0, 0n],
      [1, 0n],
      [2, 1n],
    ]);
    expect(records.map(({ partition }) => partition)).toEqual([0]);
  });

  it('begins where onAssigned sought to', async () => {
    await log().append([aBlock(), aBlock()]);
    const reader: LogReader = await log().openReader({ group: 'g', onAssigned: () => reader.seek(0, 1n) });
    expect((await readCount(reader, 1)).map(({ offset }) => offset)).toEqual([1n]);
  });

  it('is assigned again, and loses nothing, when onAssigned failed', async () => {
    await log().append([aBlock()]);
    let failed = false;
    const onAssigned = async (): Promise<void> => {
      if (failed) return;
      failed = true;
      throw new Error('the warehouse is away');
    };
    const reader = await log().openReader({ group: 'g', onAssigned });
    await expect(reader.next(all)).rejects.toThrow('the warehouse is away');
    expect(await readCount(reader, 1)).toHaveLength(1);
  });

  it('leaves the group free when it is disposed while partitions are being assigned', async () => {
    const assigning = Promise.withResolvers<void>();
    const reader = await log().openReader({ group: 'g', onAssigned: () => assigning.promise });
    const waiting = reader.next(all);
    const disposed = reader.dispose();
    assigning.resolve();
    await disposed;
    expect(await waiting).toEqual([]);
    await log().append([aBlock()]);
    expect(await readCount(await (await open()).openReader({ group: 'g' }), 1)).toHaveLength(1);
  });

  it('gives each assignment of a partition a greater epoch than the one before, in another opening too', async () => {
    const given: (readonly bigint[])[] = [];
    for (const opening of [log(), log(), await open()]) {
      const onAssigned: LogReaderOptions['onAssigned'] = async (assigned) =>
        void given.push(assigned.map(({ epoch }) => epoch));
      const reader = await opening.openReader({ group: 'g', onAssigned });
      const before = given.length;
      while (given.length === before) await reader.next(none);
      await reader.dispose();
    }
    expect(given.map(({ length }) => length)).toEqual([partitions, partitions, partitions]);
    for (let partition = 0; partition < partitions; partition += 1) {
      const [first, second, third] = given.map((own) => own[partition]!);
      expect([first! < second!, second! < third!]).toEqual([true, true]);
    }
  });

  it('never gives a partition to two readers of a group; the next one gets it after the first let go', async () => {
    await log().append([aBlock()]);
    const owners = new Map<number, string>();
    const overlaps: string[] = [];
    const options = (who: string): LogReaderOptions => ({
      group: 'g',
      onAssigned: async (given) => {
        for (const { partition } of given) {
          if (owners.has(partition)) overlaps.push(`${who} was given ${partition}, which ${owners.get(partition)} has`);
          owners.set(partition, who);
        }
      },
      onRevoked: async (given) => {
        // Another one that did not wait for this would be seen.
        for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
        for (const partition of given) owners.delete(partition);
      },
    });
    const first = await log().openReader(options('first'));
    expect(await readCount(first, 1)).toHaveLength(1);
    await first.commit(0, 0n);
    const another = await open();
    const second = await another.openReader(options('second'));
    const waiting = readCount(second, 1, 20_000);
    await first.dispose();
    expect((await waiting).map(({ offset }) => offset)).toEqual([0n]);
    while (owners.size < partitions) await second.next(none);
    expect([...new Set(owners.values())]).toEqual(['second']);
    expect(overlaps).toEqual([]);
    await expect(first.commit(0, 1n)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await log().committed('g')).toEqual([0n, 0n, 0n]);
  });
}

/** The broker drops by age, in its own time: a test can only see that the port leaves it to it. */
function describeBrokersRetention(log: () => EventLog): void {
  it('leaves dropping old records to the broker', async () => {
    await log().append([aBlock({ receivedAt: 1 })]);
    const everything = { maxAgeMs: 0, maxBytes: 0, nowMs: 1_000_000, protectGroups: [] };
    expect(await log().applyRetention(everything)).toEqual({ droppedRecords: 0, droppedBytes: 0 });
    expect((await log().ends())[0]).toMatchObject({ firstOffset: 0n, nextOffset: 1n, bytes: 0 });
  });
}

function describeRetention(log: () => EventLog): void {
  const retention = (options: Partial<RetentionOptions>): RetentionOptions => ({
    maxAgeMs: 1_000_000,
    maxBytes: 1_000_000_000,
    nowMs: 1_000_000,
    protectGroups: [],
    ...options,
  });
  const firstOffsets = async (): Promise<bigint[]> => (await log().ends()).map(({ firstOffset }) => firstOffset);

  it('states the bytes that its partitions hold', async () => {
    await log().append([aBlock({ partition: 2 }), aBlock({ partition: 2 })]);
    const [first, , last] = await log().ends();
    expect([first!.bytes, last!.bytes > 0]).toEqual([0, true]);
  });

  it('drops what is older than allowed, and readers go on after it', async () => {
    for (const receivedAt of [100, 200, 300]) await log().append([aBlock({ receivedAt })]);
    const held = (await log().ends())[0]!.bytes;
    const dropped = await log().applyRetention(retention({ nowMs: 1_250, maxAgeMs: 1_000 }));
    expect(dropped).toEqual({ droppedRecords: 2, droppedBytes: (held / 3) * 2 });
    expect(await firstOffsets()).toEqual([2n, 0n, 0n]);
    expect((await log().ends())[0]!.bytes).toBe(held / 3);
    const reader = await log().openReader({ group: 'g' });
    expect((await reader.next(all)).map(({ offset }) => offset)).toEqual([2n]);
  });

  it('drops the oldest of all partitions until the rest fits', async () => {
    for (const [partition, receivedAt] of [
      [0, 400],
      [1, 100],
      [2, 300],
      [1, 200],
    ] as const) {
      await log().append([aBlock({ partition, receivedAt })]);
    }
    const bytes = (await log().ends()).reduce((sum, end) => sum + end.bytes, 0);
    await log().applyRetention(retention({ maxBytes: bytes / 2 }));
    expect(await firstOffsets()).toEqual([0n, 2n, 0n]);
  });

  it('never drops what a protected group has not committed, and drops it once it has', async () => {
    await log().append([aBlock({ receivedAt: 1 }), aBlock({ receivedAt: 1 })]);
    const everything = retention({ maxAgeMs: 0, maxBytes: 0, protectGroups: ['slow', 'quick'] });
    const [slow, quick] = [await log().openReader({ group: 'slow' }), await log().openReader({ group: 'quick' })];
    await Promise.all([readCount(slow, 2), readCount(quick, 2)]);
    await quick.commit(0, 2n);
    expect(await log().applyRetention(everything)).toEqual({ droppedRecords: 0, droppedBytes: 0 });
    await slow.commit(0, 1n);
    expect((await log().applyRetention(everything)).droppedRecords).toBe(1);
    expect(await firstOffsets()).toEqual([1n, 0n, 0n]);
  });

  it('does not give a dropped offset again', async () => {
    await log().append([aBlock({ receivedAt: 1 })]);
    await log().applyRetention(retention({ maxAgeMs: 0 }));
    await log().append([aBlock()]);
    expect((await log().ends())[0]).toMatchObject({ firstOffset: 1n, nextOffset: 2n });
  });
}

/** Reads until `count` records came; fails when they don't come in time. */
async function readCount(reader: LogReader, count: number, maxBytes = all.maxBytes): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const deadline = Date.now() + 15_000;
  while (records.length < count) {
    if (Date.now() > deadline) throw new Error(`${records.length} of ${count} records came`);
    records.push(...(await reader.next({ maxBytes, waitMs: 1_000 })));
  }
  return records;
}

function blockOf({ header, body }: LogBlock): unknown {
  return { header, body: Buffer.from(body).toString() };
}
