import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeEventLogContract } from '../event-log.contract.ts';
import type { EventLog, LogReader } from '../event-log.ts';
import { aBlock } from './block.testing.ts';
import { openLmdbEventLog } from './lmdb.ts';

const newDir = () => mkdtemp(join(tmpdir(), 'tributary-log-'));
const removeDir = (dir: string) => rm(dir, { recursive: true, force: true });

describeEventLogContract('LMDB', async ({ partitions }) => {
  const dir = await newDir();
  return { open: () => openLmdbEventLog({ dir, partitions }), remove: () => removeDir(dir) };
});

describe('openLmdbEventLog', () => {
  let dir: string;
  let log: EventLog | null;
  beforeEach(async () => {
    dir = await newDir();
    log = null;
  });
  afterEach(async () => {
    await log?.dispose();
    await removeDir(dir);
  });

  it('refuses to open a log that was made with another number of partitions, and says which', async () => {
    await (await openLmdbEventLog({ dir, partitions: 4 })).dispose();
    await expect(openLmdbEventLog({ dir, partitions: 8 })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('TRIBUTARY_LOG_PARTITIONS=4'),
    });
  });

  it('acknowledges nothing before the sync returned', async () => {
    const gate = Promise.withResolvers<void>();
    let syncs = 0;
    log = await openLmdbEventLog({
      dir,
      partitions: 1,
      sync: () => {
        syncs += 1;
        return gate.promise;
      },
    });
    let acknowledged = 0;
    const appends = Array.from({ length: 50 }, () => log!.append([aBlock()]).then(() => (acknowledged += 1)));
    await until(() => syncs > 0);
    // The blocks are written and visible by now; only the word that they are durable is missing.
    await until(async () => (await log!.ends())[0]!.nextOffset > 0n);
    expect(acknowledged).toBe(0);
    gate.resolve();
    await Promise.all(appends);
    expect(acknowledged).toBe(50);
  });

  it('rejects appends, commits and the health check with LOG_UNAVAILABLE when the sync fails, and recovers', async () => {
    let broken = false;
    log = await openLmdbEventLog({
      dir,
      partitions: 1,
      sync: async () => {
        if (broken) throw new Error('EIO');
      },
    });
    const reader = await log.openReader({ group: 'g' });
    await reader.next({ maxBytes: 1, waitMs: 0 });
    broken = true;
    const unavailable = { code: 'LOG_UNAVAILABLE', retryable: true };
    await expect(log.append([aBlock()])).rejects.toMatchObject(unavailable);
    await expect(reader.commit(0, 1n)).rejects.toMatchObject(unavailable);
    await expect(log.checkHealth()).rejects.toMatchObject(unavailable);
    broken = false;
    await expect(log.checkHealth()).resolves.toBeUndefined();
    await expect(log.append([aBlock()])).resolves.toBeUndefined();
  });

  it('says LOG_UNAVAILABLE of a disk that does not answer', async () => {
    const gate = Promise.withResolvers<void>();
    log = await openLmdbEventLog({ dir, partitions: 1, sync: () => gate.promise, healthTimeoutMs: 20 });
    await expect(log.checkHealth()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
    gate.resolve();
  });

  it('shares one transaction among appends that wait at once', async () => {
    let syncs = 0;
    log = await openLmdbEventLog({
      dir,
      partitions: 2,
      sync: async () => {
        syncs += 1;
      },
    });
    await Promise.all(Array.from({ length: 200 }, (_, index) => log!.append([aBlock({ partition: index % 2 })])));
    expect(syncs).toBeLessThan(10);
  });

  it('says LOG_UNAVAILABLE on a full disk, loses nothing that was acknowledged, and works again after retention', async () => {
    // 16,384 blocks of 512 bytes: no file of that shell may grow beyond 8 MB.
    const script = scriptPath('lmdb-full-disk');
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -f 16384; exec "$0" "$1" "$2"',
      process.execPath,
      script,
      dir,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      codes: ['LOG_UNAVAILABLE', 'ok'],
      someAcknowledged: true,
      lost: 0,
      healthWhenFull: 'LOG_UNAVAILABLE',
      allDropped: true,
      appendAfterwards: 'ok',
      healthAfterwards: 'ok',
    });
  });

  it('gives a group to the next reader when the process of its reader was killed', async () => {
    log = await openLmdbEventLog({ dir, partitions: 1 });
    await log.append([aBlock()]);
    const holder = spawn(process.execPath, [scriptPath('lmdb-holder'), dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(holder.stdout, 'data');
      const reader = await log.openReader({ group: 'g' });
      expect(await reader.next({ maxBytes: 1, waitMs: 50 })).toEqual([]);
      holder.kill('SIGKILL');
      expect(await reader.next({ maxBytes: 1, waitMs: 20_000 })).toHaveLength(1);
    } finally {
      holder.kill('SIGKILL');
    }
  });

  it('reports a damaged block by its place and does not deliver it', async () => {
    log = await openLmdbEventLog({ dir, partitions: 1 });
    const { open } = await import('lmdb');
    await log.append([aBlock()]);
    const root = open({ path: dir, noSubdir: false });
    const records = root.openDB<Buffer, [number, number]>('records', { encoding: 'binary' });
    const frame = records.getBinary([0, 0])!;
    frame[frame.length - 3] = frame[frame.length - 3]! ^ 1;
    await records.put([0, 0], frame);
    await root.close();
    const reader = await log.openReader({ group: 'g' });
    await expect(reader.next({ maxBytes: 1, waitMs: 1_000 })).rejects.toMatchObject({
      code: 'INTERNAL',
      details: { partition: 0, offset: 0 },
    });
  });
});

describe('the LMDB event log of several processes', () => {
  const partitions = 4;
  let dir: string;
  let log: EventLog;
  let appenders: Appender[];
  beforeEach(async () => {
    dir = await newDir();
    appenders = [];
    log = await openLmdbEventLog({ dir, partitions });
  });
  afterEach(async () => {
    await Promise.all(appenders.map((appender) => appender.kill()));
    await log.dispose();
    await removeDir(dir);
  });
  const start = (): Appender => {
    const appender = startAppender(dir, partitions);
    appenders.push(appender);
    return appender;
  };

  it('holds every acknowledged block, whole and in order, after each of 12 kills -9 under load', async () => {
    const reader = await log.openReader({ group: 'g' });
    const seen: Seen[] = [];
    const ids = new Set<string>();
    let acknowledged = 0;
    const missingAfterKillOf = async (killed: Appender): Promise<string[]> => {
      await killed.kill();
      acknowledged += killed.acknowledged.length;
      for (const block of await readAll(log, reader, seen.length)) {
        seen.push(block);
        ids.add(block.blockId);
      }
      return killed.acknowledged.filter((id) => !ids.has(id));
    };

    let oldest = start();
    for (let kill = 0; kill < 12; kill += 1) {
      // Two write at once; the older one is killed somewhere within its own or the other's transactions.
      const next = start();
      const enough = oldest.acknowledged.length + Math.floor(Math.random() * 60);
      await until(() => oldest.acknowledged.length > enough && next.acknowledged.length > 0);
      expect(await missingAfterKillOf(oldest)).toEqual([]);
      oldest = next;
    }
    expect(await missingAfterKillOf(oldest)).toEqual([]);

    expect(acknowledged).toBeGreaterThan(12 * 20);
    expect(ids.size).toBe(seen.length);
    for (let partition = 0; partition < partitions; partition += 1) {
      const offsets = seen.filter((block) => block.partition === partition).map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.map((_, index) => BigInt(index)));
    }
    expect(turnsOutOfOrder(seen)).toEqual([]);
  }, 120_000);
});

function scriptPath(name: string): string {
  return fileURLToPath(new URL(`./${name}.testing.ts`, import.meta.url));
}

/** What the test keeps of a record; reading it already proved that its checksum fits. */
interface Seen {
  readonly blockId: string;
  readonly partition: number;
  readonly offset: bigint;
}

interface Appender {
  /** Grows while it runs. */
  readonly acknowledged: readonly string[];
  kill(): Promise<void>;
}

function startAppender(dir: string, partitions: number): Appender {
  const child: ChildProcess = spawn(process.execPath, [scriptPath('lmdb-appender'), dir, String(partitions), '8'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  let rest = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    // What follows the last line end of all was cut off by the kill.
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    acknowledged.push(...lines);
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    acknowledged,
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

/** Reads on to the end that the log had when this was called; `before` records were read already. */
async function readAll(log: EventLog, reader: LogReader, before: number): Promise<Seen[]> {
  const wanted = (await log.ends()).reduce((sum, { nextOffset }) => sum + Number(nextOffset), -before);
  const seen: Seen[] = [];
  while (seen.length < wanted) {
    const more = await reader.next({ maxBytes: 8_000_000, waitMs: 2_000 });
    if (more.length === 0) throw new Error(`${seen.length} of ${wanted} records came`);
    for (const { header, partition, offset } of more) seen.push({ blockId: header.blockId, partition, offset });
  }
  return seen;
}

/** Each worker of a process appended its blocks one after another, so within a partition its turns must grow. */
function turnsOutOfOrder(seen: readonly Seen[]): string[] {
  const last = new Map<string, number>();
  return seen.flatMap(({ blockId, partition }) => {
    const [pid, worker, turn] = blockId.split('-').map(Number);
    const key = `${pid}-${worker}-${partition}`;
    const outOfOrder = turn! <= (last.get(key) ?? -1);
    last.set(key, turn!);
    return outOfOrder ? [blockId] : [];
  });
}

async function until(condition: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('It did not happen in time.');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
