import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createConsumer } from '@tributary/ingest/consumer';
import { lockDataDir } from '@tributary/platform/data-dir-lock';
import type { EventLog } from '@tributary/platform/event-log';
import { openWarehouse } from '@tributary/platform/open';
import { chdbProcessEnv } from '@tributary/platform/warehouse/chdb-process';
import { CodedError, type Config } from '@tributary/schema';
import { createPorts, type Ports } from './ports.ts';

/** The stores for a command, whether the product runs or not. */
export interface CommandStores {
  readonly ports: Ports;
  /** False: this command has the data directory and its warehouse to itself. */
  readonly isProductRunning: boolean;
  dispose(): Promise<void>;
}

/**
 * Opens the stores. While the product runs, its warehouse is asked at its port; stopped, in the embedded form, the data
 * directory is locked and the warehouse started for as long as the command takes. A ClickHouse server is used as it is.
 *
 * Throws DATA_DIR_IN_USE when another process has the data directory and its warehouse does not answer.
 */
export async function openCommandStores(config: Config, role: string): Promise<CommandStores> {
  if (config.warehouse.url || (await answers(config))) {
    const ports = createPorts(config, role);
    return { ports, isProductRunning: true, dispose: () => ports.disposal.dispose() };
  }
  const lock = await lockDataDir(config.dataDir);
  let warehouse: PrivateWarehouse;
  try {
    warehouse = await startPrivateWarehouse(join(config.dataDir, 'warehouse'), config.warehouse.memoryBytes);
  } catch (error) {
    await lock.release();
    throw error;
  }
  const ports = createPorts({ ...config, ports: { ...config.ports, warehouse: warehouse.port } }, role);
  // Released in the reverse order, so after whatever uses it.
  ports.disposal.add('lock of the data directory', () => lock.release());
  ports.disposal.add('warehouse', () => warehouse.dispose());
  return { ports, isProductRunning: false, dispose: () => ports.disposal.dispose() };
}

async function answers(config: Config): Promise<boolean> {
  const warehouse = await openWarehouse(config);
  try {
    await warehouse.ping();
    return true;
  } catch {
    return false;
  } finally {
    await warehouse.dispose();
  }
}

export interface PrivateWarehouse {
  readonly port: number;
  dispose(): Promise<void>;
}

/** An embedded warehouse on a directory, as a child of this process, which ends with it. */
export async function startPrivateWarehouse(dir: string, memoryBytes: number): Promise<PrivateWarehouse> {
  await mkdir(dir, { recursive: true });
  const entry = fileURLToPath(import.meta.resolve('@tributary/platform/warehouse/chdb-child'));
  const child = fork(entry, [JSON.stringify({ dir, port: 0, memoryBytes })], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: chdbProcessEnv,
    execArgv: ['--no-warnings'],
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new CodedError('WAREHOUSE_UNAVAILABLE', {
      message: `The warehouse could not be started (${signal ?? code}).`,
    });
  });
  ended.catch(() => undefined);
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [{ url: string }];
  return { port: Number(new URL(message.url).port), dispose: () => endOf(child) };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** Only one command of this kind at a time: each cleans up after those before it, which a running one would not survive. */
export async function lockReplays(config: Config): Promise<{ release(): Promise<void> }> {
  try {
    return await lockDataDir(join(config.dataDir, 'replay'));
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'DATA_DIR_IN_USE') throw error;
    throw new CodedError('DATA_DIR_IN_USE', {
      message: `Another replay is under way (${error.message})`,
      cause: error,
    });
  }
}

const storedWithinMs = 600_000;

/**
 * Resolves when all that the log holds now is stored. Stopped, a consumer runs here for it; else the product's own does it, and is
 * waited for. Resolves with false when that takes longer than ten minutes: it is in the log, and will be stored.
 */
export async function untilStored({ ports, isProductRunning }: CommandStores): Promise<boolean> {
  const { config, clock, logger } = ports;
  const [eventLog, warehouse, liveBus] = await Promise.all([ports.eventLog(), ports.warehouse(), ports.liveBus()]);
  if (isProductRunning) return untilCommitted(eventLog);
  const consumer = createConsumer({ eventLog, warehouse, liveBus, clock, logger, config });
  await consumer.start();
  try {
    return await untilCommitted(eventLog);
  } finally {
    await consumer.dispose();
  }
}

async function untilCommitted(eventLog: EventLog): Promise<boolean> {
  const ends = await eventLog.ends();
  const deadline = Date.now() + storedWithinMs;
  for (;;) {
    const committed = await eventLog.committed('warehouse');
    if (ends.every(({ partition, nextOffset }) => (committed[partition] ?? 0n) >= nextOffset)) return true;
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
