import { CodedError, type DeadLetter, type LogBlock } from '@tributary/schema';
import { type BlockWriterOptions, createBlockWriter } from './block-writer.ts';
import { aDirectory, aGate, anEvent, aRequest, eventsOf, now, pendingOf } from './collector.testing.ts';
import { createCollectorCore } from './core.ts';
import type { PendingLine } from './draft.ts';

const clock = { now: () => now };

/** A block writer whose appends are promises. */
function openWriter(options: BlockWriterOptions) {
  const writer = createBlockWriter(options);
  return {
    ...writer,
    append: (lines: readonly PendingLine[], deadLetters: readonly DeadLetter[]) =>
      new Promise<void>((resolve, reject) => {
        writer.append(lines, deadLetters, (fault) => (fault ? reject(fault) : resolve()));
      }),
  };
}

function someLines(ids: readonly string[]): readonly PendingLine[] {
  const batch = ids.map((event_id) => anEvent({ event_id }));
  const outcome = createCollectorCore({ directory: aDirectory() }).handle(aRequest({ batch }));
  if (outcome.kind !== 'store') throw new Error('refused');
  return pendingOf(outcome.lines);
}

/** A log whose appends end when told to. */
function aHeldLog() {
  const appends: { readonly blocks: readonly LogBlock[]; readonly gate: ReturnType<typeof aGate> }[] = [];
  return {
    appends,
    partitionCount: 2,
    append: (blocks: readonly LogBlock[]) => {
      const gate = aGate();
      appends.push({ blocks, gate });
      return gate.opened;
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
async function until(isDone: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!isDone()) {
    if (Date.now() > deadline) throw new Error('waited too long');
    await turn();
  }
}

/** Ids and memory of what a log was given in some groups. */
async function groupsOf(copiesBlocks: boolean) {
  const given: { readonly block: LogBlock; readonly ids: readonly string[] }[] = [];
  const writer = openWriter({
    clock,
    eventLog: {
      partitionCount: 1,
      copiesBlocks,
      append: async (blocks) => {
        for (const block of blocks) given.push({ block, ids: eventsOf([block]).map(({ event_id }) => event_id) });
      },
    },
  });
  for (const id of ['1', '2', '3', '4']) await writer.append(someLines([id]), []);
  return given;
}

describe('the memory of blocks', () => {
  it('is used again where the log has its own copy', async () => {
    const given = await groupsOf(true);
    expect(given.map(({ ids }) => ids)).toEqual([['1'], ['2'], ['3'], ['4']]);
    expect(new Set(given.map(({ block }) => block.body.buffer)).size).toBe(1);
  });

  it('stays as it is where the log may hold on to it', async () => {
    const given = await groupsOf(false);
    expect(eventsOf(given.map(({ block }) => block)).map(({ event_id }) => event_id)).toEqual(['1', '2', '3', '4']);
  });
});

describe('append', () => {
  it('resolves only after the log has the lines', async () => {
    const eventLog = aHeldLog();
    const writer = openWriter({ eventLog, clock });
    let isDone = false;
    const appended = writer.append(someLines(['1']), []).then(() => {
      isDone = true;
    });
    await until(() => eventLog.appends.length === 1);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(isDone).toBe(false);
    eventLog.appends[0]!.gate.open();
    await appended;
    expect(eventsOf(eventLog.appends[0]!.blocks).map(({ event_id }) => event_id)).toEqual(['1']);
  });

  it('puts what waits meanwhile into one group', async () => {
    const eventLog = aHeldLog();
    const groups: number[] = [];
    const writer = openWriter({ eventLog, clock, onGroup: ({ events }) => groups.push(events) });
    const first = writer.append(someLines(['1']), []);
    await until(() => eventLog.appends.length === 1);
    const later = Promise.all(['2', '3', '4'].map((id) => writer.append(someLines([id]), [])));
    eventLog.appends[0]!.gate.open();
    await first;
    await until(() => eventLog.appends.length === 2);
    eventLog.appends[1]!.gate.open();
    await later;
    expect(groups).toEqual([1, 3]);
  });

  it('rejects all of a group that the log refuses, and takes the next', async () => {
    const eventLog = aHeldLog();
    const writer = openWriter({ eventLog, clock });
    const refused = Promise.allSettled([writer.append(someLines(['1']), []), writer.append(someLines(['2']), [])]);
    await until(() => eventLog.appends.length === 1);
    eventLog.appends[0]!.gate.fail(new Error('disk full'));
    for (const result of await refused) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'LOG_UNAVAILABLE', retryAfterSeconds: 1 } });
    }
    expect(writer.pendingBytes()).toBe(0);
    const next = writer.append(someLines(['3']), []);
    await until(() => eventLog.appends.length === 2);
    eventLog.appends[1]!.gate.open();
    await expect(next).resolves.toBeUndefined();
  });

  it('rejects at once when too much waits, and takes more when it no longer does', async () => {
    const eventLog = aHeldLog();
    const lines = someLines(['1']);
    const writer = openWriter({ eventLog, clock, maxPendingBytes: 500 });
    const first = writer.append(lines, []);
    expect(writer.pendingBytes()).toBeGreaterThan(250);
    await expect(writer.append(lines, [])).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retryAfterSeconds: 1 });
    await expect(writer.append(lines, [])).rejects.toBeInstanceOf(CodedError);
    await until(() => eventLog.appends.length === 1);
    eventLog.appends[0]!.gate.open();
    await first;
    expect(writer.pendingBytes()).toBe(0);
    const second = writer.append(lines, []);
    await until(() => eventLog.appends.length === 2);
    eventLog.appends[1]!.gate.open();
    await second;
  });

  it('resolves where nothing is to be stored', async () => {
    const eventLog = { partitionCount: 1, append: async () => undefined };
    await expect(openWriter({ eventLog, clock }).append([], [])).resolves.toBeUndefined();
  });
});

it('flushes two groups at once, not more', async () => {
  const eventLog = aHeldLog();
  const writer = openWriter({ eventLog, clock });
  const appended: Promise<void>[] = [];
  for (const [index, expected] of [1, 2, 2].entries()) {
    appended.push(writer.append(someLines([`${index}`]), []));
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect(eventLog.appends).toHaveLength(expected);
  }
  eventLog.appends[1]!.gate.open();
  await until(() => eventLog.appends.length === 3);
  for (const { gate } of eventLog.appends) gate.open();
  await Promise.all(appended);
});

describe('groups begin', () => {
  const beganAt: number[] = [];
  const eventLog = {
    partitionCount: 1,
    append: async () => {
      beganAt.push(performance.now());
    },
  };
  const gaps = () => beganAt.slice(1).map((at, index) => at - beganAt[index]!);
  beforeEach(() => {
    beganAt.length = 0;
  });

  it('some milliseconds apart while much comes', async () => {
    const writer = openWriter({ eventLog, clock });
    const lines = someLines(['1']);
    const burst = () => Promise.all(Array.from({ length: 2_000 }, () => writer.append(lines, [])));
    for (let count = 0; count < 4; count += 1) await burst();
    // The first one follows a long rest. Timers may be a millisecond early.
    for (const gap of gaps().slice(1)) expect(gap).toBeGreaterThan(1.4);
    expect(beganAt).toHaveLength(4);
  });

  it('further apart while batches come, whose senders wait for no single event', async () => {
    const writer = openWriter({ eventLog, clock });
    const batch = someLines(Array.from({ length: 10 }, (_, index) => `${index}`));
    for (let count = 0; count < 5; count += 1)
      await Promise.all(Array.from({ length: 20 }, () => writer.append(batch, [])));
    for (const gap of gaps().slice(1)) expect(gap).toBeGreaterThan(5);
    expect(beganAt).toHaveLength(5);
  });

  it('without a wait once a group is large, however much comes', async () => {
    const writer = openWriter({ eventLog, clock });
    const batch = someLines(Array.from({ length: 50 }, (_, index) => `${index}`));
    for (let count = 0; count < 30; count += 1)
      await Promise.all(Array.from({ length: 30 }, () => writer.append(batch, [])));
    // Of a busy machine some may be late.
    expect(gaps().sort((a, b) => a - b)[5]).toBeLessThan(4.5);
  });

  it('at once while little comes', async () => {
    const writer = openWriter({ eventLog, clock });
    const lines = someLines(['1']);
    for (let count = 0; count < 50; count += 1) await writer.append(lines, []);
    // Of a busy machine some may be late.
    expect(gaps().sort((a, b) => a - b)[25]).toBeLessThan(1.9);
  });
});

it('is disposed after what is under way', async () => {
  const eventLog = aHeldLog();
  const writer = openWriter({ eventLog, clock });
  const order: string[] = [];
  const letter = { payload: '{}' } as DeadLetter;
  const appended = writer.append(someLines(['1']), [letter]).then(() => order.push('appended'));
  const disposed = writer.dispose().then(() => order.push('disposed'));
  await until(() => eventLog.appends.length === 1);
  eventLog.appends[0]!.gate.open();
  await Promise.all([appended, disposed]);
  expect(order).toEqual(['appended', 'disposed']);
});
