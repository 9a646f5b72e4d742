import { request } from 'node:http';
import { join } from 'node:path';
import { openLmdbDirectoryPublisher } from '@tributary/platform/directory/lmdb';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { type DirectoryKey, type DirectorySnapshot, parseEventLine, sha256Hex } from '@tributary/schema';
import { descendants, freePorts, isReady, killHard, startProgram, temporaryDir, until } from './family.testing.ts';

export const writeKey = 'trk_write_process_test';

const key: DirectoryKey = {
  keyId: 'key_1',
  kind: 'write',
  hash: sha256Hex(writeKey),
  tenantId: 'ten_1',
  appIds: ['app_1'],
  scopes: ['ingest:write'],
  enabled: true,
};

export function aSnapshot(version: number, keyChanges: Partial<DirectoryKey> = {}): DirectorySnapshot {
  return {
    version,
    publishedAt: Date.now(),
    apps: [
      {
        appId: 'app_1',
        tenantId: 'ten_1',
        name: 'Game',
        platform: 'android',
        enabled: true,
        timezone: 'UTC',
        currency: 'EUR',
        storeUrl: null,
        ipPolicy: 'truncate',
        clickLookbackHours: 168,
        viewLookbackHours: 24,
        reinstallDays: 90,
        retentionDays: 400,
      },
    ],
    links: [],
    campaigns: [],
    goals: [],
    keys: [{ ...key, ...keyChanges }],
  };
}

/** The collector's role in processes of its own, on a data directory with a published directory. */
export interface CollectorProcess {
  readonly url: string;
  readonly pid: number;
  output(): string;
  /** Pids of the processes it started. */
  workers(): Promise<number[]>;
  publish(snapshot: DirectorySnapshot): Promise<void>;
  /** kill −9 of all its processes. */
  kill(): Promise<void>;
  /** Starts it again, at the same port and on the same data. */
  start(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  /** Ids of the events that the log holds, each as often as it does. */
  storedIds(): Promise<string[]>;
  dispose(): Promise<void>;
}

export async function openCollectorProcess(env: Readonly<Record<string, string>> = {}): Promise<CollectorProcess> {
  const folder = await temporaryDir();
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const publisher = await openLmdbDirectoryPublisher({ dir: join(folder.dir, 'directory') });
  await publisher.publish(aSnapshot(1));
  let running: ReturnType<typeof startProgram> | null = null;
  const exited = async () => {
    const child = running?.child;
    if (child && child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
    return child?.exitCode ?? null;
  };
  const kill = async () => {
    if (running?.child.pid === undefined) return;
    const pids = [running.child.pid, ...(await descendants(running.child.pid))];
    for (const pid of pids) killHard(pid);
    await exited();
  };
  const start = async () => {
    const started = startProgram(
      ['serve', '--role', 'collector', '--data-dir', folder.dir, '--collector-port', String(port)],
      env,
    );
    running = started;
    await until(async () => {
      if (started.child.exitCode !== null) throw new Error(`The family ended: ${started.output()}`);
      return isReady(url);
    }, 60_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${started.output()}`);
    });
  };
  await start();
  return {
    url,
    get pid() {
      return running!.child.pid!;
    },
    output: () => running!.output(),
    workers: () => descendants(running!.child.pid!),
    publish: (snapshot) => publisher.publish(snapshot),
    kill,
    start,
    async stop() {
      running!.child.kill('SIGTERM');
      return exited();
    },
    storedIds: () => readIds(join(folder.dir, 'log')),
    async dispose() {
      await kill();
      await publisher.dispose();
      await folder.dispose();
    },
  };
}

async function readIds(dir: string): Promise<string[]> {
  const log = await openLmdbEventLog({ dir, partitions: 4 });
  try {
    const reader = await log.openReader({ group: `test-${Math.random()}` });
    const ids: string[] = [];
    for (;;) {
      const records = await reader.next({ maxBytes: 64 * 1_048_576, waitMs: 0 });
      if (records.length === 0) return ids;
      for (const { header, body } of records) {
        if (header.kind !== 'events') continue;
        const lines = Buffer.from(body).toString('utf8').split('\n').slice(0, -1);
        ids.push(...lines.map((line) => parseEventLine(line).event_id));
      }
    }
  } finally {
    await log.dispose();
  }
}

export interface Posted {
  readonly status: number;
  readonly body: string;
}

/** A POST on a connection of its own, so that the system may give it to any worker. */
export function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}/v1/events`,
      {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${writeKey}`, 'content-type': 'application/json', ...headers },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

export const anEvent = (id: string) => ({
  event_name: 'level_complete',
  event_id: id,
  anonymous_id: 'a-1',
  occurred_at: Date.now(),
  properties: { level: 3 },
});
