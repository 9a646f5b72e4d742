import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import kafkajs from 'kafkajs';
import { mendKafkaJs } from './kafka/kafkajs-client.ts';

/** A Kafka broker of the test's own, so that it can be killed and started again. */
export interface KafkaBroker {
  /** host:port without authentication. */
  readonly address: string;
  /** host:port that asks for SCRAM-SHA-512. */
  readonly saslAddress: string;
  /** kill −9, or the signal given; resolves when the process has ended (of SIGSTOP and SIGCONT: at once). */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports and data; resolves when it answers. */
  start(): Promise<void>;
  /** Kills it and removes its data. */
  dispose(): Promise<void>;
}

export interface KafkaBrokerOptions {
  /** Where .ci/kafka/pom.xml put the jars. */
  readonly libs: string;
  /** Who may come in at `saslAddress`. */
  readonly scram?: { readonly username: string; readonly password: string };
}

/** Starts one in KRaft mode on loopback; takes some five seconds and 400 MB. */
export async function startKafkaBroker({ libs, scram }: KafkaBrokerOptions): Promise<KafkaBroker> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-kafka-'));
  const [port, saslPort, controllerPort] = await freePorts(3);
  const properties = join(dir, 'server.properties');
  const template = await readFile(new URL('../../../.ci/kafka/server.properties', import.meta.url), 'utf8');
  const values: Readonly<Record<string, string>> = {
    PORT: String(port),
    SASL_PORT: String(saslPort),
    CONTROLLER_PORT: String(controllerPort),
    DIR: dir,
  };
  await mkdir(join(dir, 'log'));
  await writeFile(
    properties,
    template.replace(/^#.*$/gm, '').replace(/@([A-Z_]+)@/g, (_, name: string) => values[name]!),
  );
  const java = (...args: string[]): string[] => ['-Xmx512m', '-cp', join(libs, '*'), ...args];
  await promisify(execFile)('java', [
    ...java('kafka.tools.StorageTool', 'format', '--standalone', '-t', 'dHJpYnV0YXJ5LXRlc3RzLQ', '-c', properties),
    ...(scram ? ['--add-scram', `SCRAM-SHA-512=[name=${scram.username},password=${scram.password}]`] : []),
  ]);
  let broker: ChildProcess | null = null;

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const killed = broker;
    if (!killed) return;
    const ended = new Promise<void>((resolve) => killed.once('close', () => resolve()));
    killed.kill(signal);
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
    broker = null;
    await ended;
  }

  async function start(): Promise<void> {
    broker = spawn('java', java('kafka.Kafka', properties), { stdio: 'ignore' });
    await untilAnswers(`127.0.0.1:${port}`);
  }

  await start();
  return {
    address: `127.0.0.1:${port}`,
    saslAddress: `127.0.0.1:${saslPort}`,
    kill,
    start,
    async dispose() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function untilAnswers(address: string): Promise<void> {
  mendKafkaJs();
  const deadline = Date.now() + 60_000;
  for (;;) {
    const admin = new kafkajs.Kafka({
      brokers: [address],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin();
    try {
      await admin.connect();
      await admin.describeCluster();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    } finally {
      await admin.disconnect();
    }
    await sleep(100);
  }
}

/** Held open together, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
