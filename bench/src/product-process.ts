import { type ChildProcess, spawn } from 'node:child_process';
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
 * @param nodeArguments of the main process.
 */
export async function startProduct(
  dir: string,
  ports: readonly number[],
  nodeArguments: readonly string[] = [],
): Promise<ProductProcess> {
  const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
  const [gateway, collector, warehouse] = ports.map(String) as [string, string, string];
  const demo = ['--demo', '--rate', '0', '--installs-per-day', '0', '--data-dir', dir];
  const on = ['--port', gateway, '--collector-port', collector, '--warehouse-port', warehouse];
  const child = spawn(process.execPath, [...nodeArguments, main, 'serve', '--role', 'all', ...demo, ...on], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...withoutSettings(process.env), TRIBUTARY_LOG_LEVEL: 'error' },
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
