import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from '@tributary/platform/logger';

/** A child of the process family. Its `args` are those of this program. */
export interface ChildSpec {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Bound of its JavaScript heap. Node would let garbage grow with the machine's memory. */
  readonly heapMb?: number;
  /** The runtime; absent = this process's own. */
  readonly execPath?: string;
  /** Further options of the runtime. */
  readonly execArgv?: readonly string[];
}

export interface SupervisorOptions {
  /** The program that every child runs. */
  readonly entry: string;
  readonly logger: Logger;
  /** Called for each child that was started or started again, before it runs on; returns what to undo when it ended. */
  readonly onChild?: (spec: ChildSpec, child: ChildProcess) => (() => void) | undefined;
  /** Told when a child ended without being asked to; it is started again after `delayMs`. */
  readonly onRestart?: (name: string, how: string, delayMs: number) => void;
  /** First and longest delay before a child is started again. Default 200 ms and 10 s. */
  readonly backoffMs?: readonly [number, number];
}

export interface Supervisor {
  /** Starts a child and resolves when it said that it is ready. Rejects when it ended first with a configuration fault. */
  start(spec: ChildSpec): Promise<void>;
  pids(): ReadonlyMap<string, number>;
  restarts(): number;
  /** Sends SIGTERM to one child and waits for its end; SIGKILL after `graceMs`. */
  stop(name: string, graceMs?: number): Promise<void>;
  /** Stops all, the last started first; idempotent. */
  dispose(): Promise<void>;
}

interface Kept {
  readonly spec: ChildSpec;
  child: ChildProcess | null;
  stopping: boolean;
  failures: number;
  timer: NodeJS.Timeout | null;
}

/** Message by which a child says that it is ready. */
export const readyMessage = { kind: 'role-ready' } as const;
/** A child that ends with this code has a fault that starting again can't mend (configuration). */
export const exitFinal = 78;

/**
 * Keeps the children of a process family alive: one that dies is started again, with a growing delay, and it is said.
 * A child whose parent is gone ends by itself (it watches its channel), so that kill −9 of the parent leaves nobody.
 */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const kept = new Map<string, Kept>();
  let restarts = 0;

  const launch = (entry: Kept): Promise<void> =>
    new Promise((resolve, reject) => {
      const startedAt = Date.now();
      const child = fork(options.entry, [...entry.spec.args], {
        env: { ...process.env, ...entry.spec.env },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        serialization: 'json',
        ...runtimeOf(entry.spec),
      });
      entry.child = child;
      const undo = options.onChild?.(entry.spec, child);
      child.on('message', (message) => {
        if ((message as { kind?: unknown }).kind === readyMessage.kind) resolve();
      });
      child.on('error', (error) => options.logger.error({ err: error, child: entry.spec.name }, 'child process error'));
      child.once('exit', (code, signal) => {
        undo?.();
        entry.child = null;
        if (entry.stopping) return resolve();
        const how = signal ?? `exit code ${code}`;
        if (code === exitFinal) return reject(new Error(`${entry.spec.name} could not start (${how})`));
        entry.failures = Date.now() - startedAt > 30_000 ? 0 : entry.failures + 1;
        resolve(again(entry, how));
      });
    });

  const again = (entry: Kept, how: string): Promise<void> => {
    const [first, longest] = options.backoffMs ?? [200, 10_000];
    const delayMs = Math.min(longest, first * 2 ** Math.max(0, entry.failures - 1));
    restarts += 1;
    options.onRestart?.(entry.spec.name, how, delayMs);
    return new Promise((resolve) => {
      entry.timer = setTimeout(() => {
        entry.timer = null;
        if (entry.stopping) return resolve();
        launch(entry).then(resolve, (error) => {
          options.logger.error({ err: error, child: entry.spec.name }, 'child process is not started again');
          resolve();
        });
      }, delayMs);
    });
  };

  const stop = async (name: string, graceMs = 20_000): Promise<void> => {
    const entry = kept.get(name);
    if (!entry || entry.stopping) return;
    entry.stopping = true;
    if (entry.timer) clearTimeout(entry.timer);
    const { child } = entry;
    if (child && child.exitCode === null && child.signalCode === null) await endChild(child, graceMs);
    kept.delete(name);
  };

  return {
    start(spec) {
      const entry: Kept = { spec, child: null, stopping: false, failures: 0, timer: null };
      kept.set(spec.name, entry);
      return launch(entry);
    },
    pids: () => new Map([...kept].flatMap(([name, { child }]) => (child?.pid ? [[name, child.pid] as const] : []))),
    restarts: () => restarts,
    stop,
    async dispose() {
      for (const name of [...kept.keys()].reverse()) await stop(name);
    },
  };
}

/**
 * V8 counts buffers outside its heap too when it decides to collect all of it, against a limit that is as low as the heap
 * is small: with some 20 MB of objects, every few hundred request bodies are a full collection. A limit of this many MB from the start
 * leaves nearly all of them to the cheap collections of young objects (a sixth of the family's CPU under full load).
 */
const leastLimitMb = 128;
/** A larger young generation is a little faster, and takes more than the 250 MB that a collector's worker may. */
const youngMb = 8;

function runtimeOf({ execPath, execArgv, heapMb }: ChildSpec) {
  const limits = heapMb
    ? [
        `--max-old-space-size=${heapMb}`,
        `--initial-old-space-size=${Math.min(leastLimitMb, heapMb)}`,
        `--max-semi-space-size=${youngMb}`,
      ]
    : [];
  const argv = [...limits, ...(execArgv ?? [])];
  // Another runtime does not know this one's options, which fork would hand on.
  return { ...(execPath ? { execPath } : {}), ...(argv.length > 0 || execPath ? { execArgv: argv } : {}) };
}

function endChild(child: ChildProcess, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
