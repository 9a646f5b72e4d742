import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Warehouse } from '../warehouse.ts';
import { chdbProcessEnv } from './chdb-process.ts';
import { openClickHouseWarehouse } from './clickhouse.ts';
import { migrateWarehouse, type WarehouseLocation } from './migrate.ts';

export interface TestWarehouse {
  readonly warehouse: Warehouse;
  readonly url: string;
  /** Fits `migrateWarehouse` and the parts of a Config that say where the warehouse is. */
  readonly location: WarehouseLocation;
  readonly pid: () => number;
  /** SIGKILL; resolves when the process is gone. */
  kill9(): Promise<void>;
  /** Starts the child again on the same directory and port; SIGTERM before, if it still runs. */
  restart(): Promise<void>;
  /** Ends the child and removes its directory. Idempotent. */
  dispose(): Promise<void>;
}

export interface TestWarehouseOptions {
  /** Default true. */
  readonly migrated?: boolean;
  readonly readers?: number;
  readonly memoryBytes?: number;
}

/**
 * A warehouse for tests as it is in production: chDB in a forked child on a directory of its own and a free port, migrated.
 * Starts in about a second.
 *
 * @example
 * let test: TestWarehouse;
 * beforeAll(async () => { test = await startTestWarehouse(); });
 * afterAll(() => test.dispose());
 */
export async function startTestWarehouse(options: TestWarehouseOptions = {}): Promise<TestWarehouse> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-warehouse-'));
  const { memoryBytes = 800_000_000, readers } = options;
  const start = (port: number) => startChild({ dir, port, memoryBytes, ...(readers ? { readers } : {}) });
  let running = await start(0);
  const { url } = running;
  const port = Number(new URL(url).port);
  const database = 'tributary';
  const location: WarehouseLocation = {
    warehouse: { url, database, user: 'default', password: '', memoryBytes },
    ports: { warehouse: port },
  };
  if (options.migrated !== false) await migrateWarehouse(location);
  const warehouse = openClickHouseWarehouse({ url, database, user: 'default', password: '' });
  let disposing: Promise<void> | null = null;
  return {
    warehouse,
    url,
    location,
    pid: () => running.child.pid ?? 0,
    kill9: () => endChild(running.child, 'SIGKILL'),
    async restart() {
      await endChild(running.child, 'SIGTERM');
      running = await start(port);
    },
    dispose() {
      disposing ??= (async () => {
        await warehouse.dispose();
        await endChild(running.child, 'SIGTERM');
        await rm(dir, { recursive: true, force: true });
      })();
      return disposing;
    },
  };
}

async function startChild(options: object): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const entry = fileURLToPath(new URL('./chdb-child.ts', import.meta.url));
  const child = fork(entry, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...chdbProcessEnv },
    // Not the test runner's: its VM modules are of no use there.
    execArgv: ['--no-warnings'],
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the warehouse ended before it was ready (${signal ?? code})`);
  });
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [{ url: string }];
  ended.catch(() => undefined);
  return { child, url: message.url };
}

async function endChild(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const [code, by] = await exited;
  // An engine that was not closed in order crashes on the way out.
  if (signal === 'SIGTERM' && code !== 0) throw new Error(`the warehouse did not stop in order (${by ?? code})`);
}
