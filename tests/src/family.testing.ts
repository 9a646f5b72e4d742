import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A running product, started as its users start it. */
export interface Family {
  readonly dataDir: string;
  readonly gatewayUrl: string;
  readonly collectorUrl: string;
  readonly warehouseUrl: string;
  readonly main: ChildProcess;
  /** What it printed so far, both streams. */
  output(): string;
  /** kill −9 of every process of the family. */
  killAll(): Promise<void>;
  /** SIGTERM and wait. */
  stop(): Promise<number | null>;
}

export interface FamilyOptions {
  readonly dataDir: string;
  readonly ports: { readonly gateway: number; readonly collector: number; readonly warehouse: number };
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
          server.on('error', reject);
        }),
    ),
  );
  return Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          const address = server.address();
          server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
        }),
    ),
  );
}

export async function temporaryDir(): Promise<{ readonly dir: string; dispose(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-test-'));
  return { dir, dispose: () => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }) };
}

/** Starts this program with the given arguments; its output is kept. */
export function startProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { child: ChildProcess; output: () => string } {
  const chunks: Buffer[] = [];
  const child = spawn(process.execPath, [join(root, 'cli/src/main.ts'), ...args], {
    cwd: root,
    env: { ...withoutSettings(process.env), TRIBUTARY_LOG_LEVEL: 'warn', NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { child, output: () => Buffer.concat(chunks).toString('utf8') };
}

/** A test decides its settings itself; what the tests are told (TRIBUTARY_TEST_…) is no setting of the product. */
const withoutSettings = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TRIBUTARY_')));

/** `serve --role all`; resolves when `/ready` on both ports is 200. */
export async function startFamily(options: FamilyOptions, readyWithinMs = 150_000): Promise<Family> {
  const { ports } = options;
  const started = startProgram(
    [
      'serve',
      '--role',
      'all',
      '--data-dir',
      options.dataDir,
      '--port',
      String(ports.gateway),
      '--collector-port',
      String(ports.collector),
      '--warehouse-port',
      String(ports.warehouse),
      ...(options.args ?? []),
    ],
    options.env,
  );
  const family: Family = {
    dataDir: options.dataDir,
    gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
    collectorUrl: `http://127.0.0.1:${ports.collector}`,
    warehouseUrl: `http://127.0.0.1:${ports.warehouse}`,
    main: started.child,
    output: started.output,
    async killAll() {
      const pids = [started.child.pid!, ...(await descendants(started.child.pid!))];
      for (const pid of pids) killHard(pid);
      await exited(started.child);
    },
    async stop() {
      if (started.child.exitCode === null && started.child.signalCode === null) started.child.kill('SIGTERM');
      await exited(started.child);
      return started.child.exitCode;
    },
  };
  await until(async () => {
    if (started.child.exitCode !== null)
      throw new Error(`The family ended with ${started.child.exitCode}:\n${started.output()}`);
    const answers = await Promise.all([isReady(family.gatewayUrl), isReady(family.collectorUrl)]);
    return answers.every(Boolean) || null;
  }, readyWithinMs).catch((error: Error) => {
    throw new Error(`${error.message}\n${started.output()}`);
  });
  return family;
}

export const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/ready`, { signal: AbortSignal.timeout(5_000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status === 200;
    },
    () => false,
  );

export function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It had ended already.
  }
}

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

/** Process ids of all descendants, from /proc (Linux). */
export async function descendants(pid: number): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => ''))
    .split(' ')
    .filter(Boolean)
    .map(Number);
  const deeper = await Promise.all(children.map(descendants));
  return [...children, ...deeper.flat()];
}

/** The descendant whose command line holds this text. */
export async function childPid(pid: number, text: string): Promise<number | null> {
  for (const child of await descendants(pid)) {
    const command = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').join(' ').includes(text)) return child;
  }
  return null;
}

/** Polls until `work` answers something other than null or false. Throws after `withinMs`, with the last error. */
export async function until<T>(work: () => Promise<T | null | false>, withinMs = 20_000, everyMs = 25): Promise<T> {
  const giveUpAt = Date.now() + withinMs;
  let last: unknown = null;
  for (;;) {
    try {
      const answer = await work();
      if (answer !== null && answer !== false) return answer;
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('The family ended')) throw error;
      last = error;
    }
    if (Date.now() > giveUpAt)
      throw new Error(`Not within ${withinMs} ms${last instanceof Error ? `: ${last.message}` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

export interface GraphQLAnswer<T> {
  readonly data: T | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions?: { readonly code?: string };
  }[];
}

export async function askGraph<T>(
  gatewayUrl: string,
  apiKey: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<GraphQLAnswer<T>> {
  const response = await fetch(`${gatewayUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(20_000),
  });
  return (await response.json()) as GraphQLAnswer<T>;
}
