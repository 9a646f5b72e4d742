import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The whole family as `npm start` runs it, without demo traffic. */
export interface ProductProcess {
  readonly child: ChildProcess;
  /** SIGTERM and wait. */
  stop(): Promise<void>;
}

/**
 * Resolves when gateway and collector are ready.
 * @param ports of gateway, collector and warehouse.
 */
export async function startProduct(dir: string, ports: readonly number[]): Promise<ProductProcess> {
  const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
  const [gateway, collector, warehouse] = ports.map(String) as [string, string, string];
  const demo = ['--demo', '--rate', '0', '--installs-per-day', '0', '--data-dir', dir];
  const on = ['--port', gateway, '--collector-port', collector, '--warehouse-port', warehouse];
  const start = npmStart();
  const child = spawn(process.execPath, [...start.nodeArguments, main, 'serve', '--role', 'all', ...demo, ...on], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...withoutSettings(process.env), ...start.env, TRIBUTARY_LOG_LEVEL: 'error' },
  });
  const giveUpAt = Date.now() + 150_000;
  for (;;) {
    const ready = await Promise.all(
      [gateway, collector].map((port) =>
        fetch(`http://127.0.0.1:${port}/ready`).then(
          (response) => response.status === 200,
          () => false,
        ),
      ),
    );
    if (ready.every(Boolean)) break;
    if (child.exitCode !== null || Date.now() > giveUpAt) throw new Error('The product did not become ready.');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    child,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

/** Variables and runtime arguments that `npm start` gives: `NAME=value … node --argument … cli/src/main.ts …`. */
function npmStart(): { readonly env: Record<string, string>; readonly nodeArguments: readonly string[] } {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: { start: string };
  };
  const [before = '', after = ''] = scripts.start.split(/(?:^| )node /);
  const words = (text: string) => text.split(' ').filter(Boolean);
  return {
    env: Object.fromEntries(words(before).map((word) => word.split('=', 2) as [string, string])),
    nodeArguments: words(after.split('cli/src/main.ts', 1)[0] ?? ''),
  };
}

/** What the benchmarks are told is no setting of the product. */
const withoutSettings = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TRIBUTARY_')));

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  return servers.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === 'object' && address ? address.port : 0;
  });
}
