import type { CodedError } from '@tributary/schema';
import { silentLogger, until } from './kit.testing.ts';
import { createStreamHub, type StreamHub, type StreamRow, type StreamSource } from './stream-hub.ts';
import { comparePositions, parseStreamCursor, type StreamPosition, streamCursorOf } from './stream-position.ts';

/** A log in memory as a stream's source; reads can be held up. */
function aSource() {
  const rows: StreamRow<number>[] = [];
  const wakes = new Set<() => void>();
  let gate: Promise<void> = Promise.resolve();
  let reads = 0;
  const source: StreamSource<number> = {
    async read(after, limit) {
      reads += 1;
      const found = rows.filter((row) => comparePositions(row.position, after) > 0).slice(0, limit);
      await gate;
      return found;
    },
    horizon: async () => rows.at(-1)?.position[0] ?? 0,
    async subscribe(wake) {
      wakes.add(wake);
      return () => wakes.delete(wake);
    },
  };
  return {
    source,
    append(count: number) {
      for (let index = 0; index < count; index += 1) {
        const number = rows.length + 1;
        rows.push({ position: [number, 'é', 0], value: number });
      }
      for (const wake of wakes) wake();
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    reads: () => reads,
    listeners: () => wakes.size,
  };
}

const start: StreamPosition = [0, '', 0];
const cursorOf = (position: StreamPosition) => streamCursorOf('test', 'app', position);
const options = { after: start, minIntervalMs: 0, cursorOf };

let hub: StreamHub;
beforeEach(() => {
  hub = createStreamHub({ logger: silentLogger, settleMs: 20, intervalMs: 5, idleMs: 20, queueRows: 600 });
});
afterEach(() => hub.dispose());

async function take(iterator: AsyncIterableIterator<{ readonly values: readonly number[] }>, count: number) {
  const values: number[] = [];
  while (values.length < count) {
    const { value, done } = await iterator.next();
    if (done) break;
    values.push(...value.values);
  }
  return values;
}
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('stream hub', () => {
  it('hands out a backlog longer than the queue, then what comes, each once and in order', async () => {
    const log = aSource();
    log.append(1_000);
    const iterator = hub.subscribe('a', log.source, options);
    expect(await take(iterator, 1_000)).toEqual(upTo(1_000));
    const more = take(iterator, 5);
    await until(() => hub.counts().opened === 1);
    log.append(5);
    expect(await more).toEqual([1_001, 1_002, 1_003, 1_004, 1_005]);
  });

  it('joins readers at different places to one tail without losing or repeating a row', async () => {
    const log = aSource();
    log.append(50);
    const readers = [0, 10, 49].map((at) => hub.subscribe('a', log.source, { ...options, after: [at, 'é', 0] }));
    const taken = readers.map((reader, index) => take(reader, [200, 190, 151][index]!));
    for (let round = 0; round < 15; round += 1) {
      log.append(10);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    const [all, late, last] = await Promise.all(taken);
    expect(all).toEqual(upTo(200));
    expect(late).toEqual(upTo(200).slice(10));
    expect(last).toEqual(upTo(200).slice(49));
    expect(hub.counts().opened).toBe(1);
  });

  it('reads again what the tail handed out while a reader was catching up', async () => {
    const log = aSource();
    const first = hub.subscribe('a', log.source, options);
    const seen = take(first, 3);
    await until(() => hub.counts().opened === 1);
    const release = log.hold();
    const second = hub.subscribe('a', log.source, options);
    const late = take(second, 3);
    log.append(3);
    release();
    expect(await seen).toEqual([1, 2, 3]);
    expect(await late).toEqual([1, 2, 3]);
  });

  it('begins now with an empty batch that holds the position when there is no cursor', async () => {
    const log = aSource();
    log.append(7);
    const iterator = hub.subscribe('a', log.source, { ...options, after: null });
    const { value } = await iterator.next();
    expect(value).toEqual({ values: [], position: [7, '', 0] });
  });

  it('ends a reader whose queue is full with SUBSCRIBER_TOO_SLOW and its last cursor; others go on', async () => {
    const log = aSource();
    log.append(1);
    const slow = hub.subscribe('a', log.source, options);
    expect(await take(slow, 1)).toEqual([1]);
    const waiting = slow.next();
    const quick = hub.subscribe('a', log.source, { ...options, after: [1, 'é', 0] });
    const quickTook = take(quick, 801);
    await until(() => hub.counts().opened === 1);
    log.append(1);
    expect((await waiting).value.values).toEqual([2]);
    for (let round = 0; round < 40; round += 1) {
      log.append(20);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await until(() => hub.counts().readers === 1);
    const error = await slow.next().then(
      () => null,
      (thrown: CodedError) => thrown,
    );
    expect(error).toMatchObject({ code: 'SUBSCRIBER_TOO_SLOW', details: { cursor: cursorOf([2, 'é', 0]) } });
    expect(await quickTook).toEqual(upTo(802).slice(1));
    const resumed = hub.subscribe('a', log.source, { ...options, after: [2, 'é', 0] });
    expect(await take(resumed, 800)).toEqual(upTo(802).slice(2));
  });

  it('sends less often but nothing less when the reader asks for an interval', async () => {
    const log = aSource();
    const iterator = hub.subscribe('a', log.source, { ...options, minIntervalMs: 60 });
    const batches: number[][] = [];
    const first = iterator.next();
    await until(() => hub.counts().opened === 1);
    log.append(1);
    batches.push([...(await first).value.values]);
    const startedAt = performance.now();
    const second = iterator.next();
    for (let round = 0; round < 5; round += 1) log.append(2);
    batches.push([...(await second).value.values]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(55);
    expect(batches).toEqual([[1], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]);
  });

  it('closes every tail it opened, and return() does not wait for what may come', async () => {
    const log = aSource();
    for (let round = 0; round < 50; round += 1) {
      const iterator = hub.subscribe(`key-${round % 7}`, log.source, options);
      const pending = iterator.next();
      if (round % 2 === 0) await until(() => hub.counts().opened > hub.counts().closed);
      await iterator.return?.();
      expect(await pending).toEqual({ done: true, value: undefined });
    }
    const { opened, closed, readers } = hub.counts();
    expect(opened).toBe(closed);
    expect(readers).toBe(0);
    await until(() => log.listeners() === 0);
  });

  it('goes on after a failed read', async () => {
    const log = aSource();
    let failures = 0;
    const source: StreamSource<number> = {
      ...log.source,
      read: (after, limit, signal) => {
        if (hub.counts().opened > 0 && failures < 3) {
          failures += 1;
          return Promise.reject(new Error('away'));
        }
        return log.source.read(after, limit, signal);
      },
    };
    const iterator = hub.subscribe('a', source, options);
    const taken = take(iterator, 2);
    await until(() => hub.counts().opened === 1);
    log.append(2);
    expect(await taken).toEqual([1, 2]);
    expect(failures).toBe(3);
  });

  it('ends readers when it is disposed of, and at the signal', async () => {
    const log = aSource();
    const abort = new AbortController();
    const [one, two] = [
      hub.subscribe('a', log.source, options),
      hub.subscribe('b', log.source, { ...options, signal: abort.signal }),
    ];
    const pending = [one.next(), two.next()];
    abort.abort();
    expect(await pending[1]).toEqual({ done: true, value: undefined });
    hub.dispose();
    expect(await pending[0]).toEqual({ done: true, value: undefined });
    expect(hub.counts().opened).toBe(hub.counts().closed);
  });
});

describe('stream cursors', () => {
  const nowMs = 1_800_000_000_000;
  it('are read back as they were', () => {
    const position: StreamPosition = [nowMs - 5, 'id:"é', 7];
    expect(parseStreamCursor('events', 'app', streamCursorOf('events', 'app', position), nowMs)).toEqual(position);
  });
  it.each([
    ['of another stream', streamCursorOf('installs', 'app', [nowMs, '', 0]), 'BAD_USER_INPUT'],
    ['of another app', streamCursorOf('events', 'other', [nowMs, '', 0]), 'BAD_USER_INPUT'],
    ['that are none', 'nonsense', 'BAD_USER_INPUT'],
    ['older than a day', streamCursorOf('events', 'app', [nowMs - 86_400_001, '', 0]), 'CURSOR_EXPIRED'],
  ])('%s are refused', (_name, cursor, code) => {
    expect(() => parseStreamCursor('events', 'app', cursor, nowMs)).toThrow(expect.objectContaining({ code }));
  });
});
