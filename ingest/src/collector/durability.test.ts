import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Analytics } from '@segment/analytics-node';
import { systemClock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { aGate, anEvent, eventsOf, openTestCollector, type TestCollector, writeKey } from './collector.testing.ts';

let dispose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of dispose.reverse()) await end();
  dispose = [];
});

/** A collector whose log calls `sync` after each flush and before it says that anything is durable. */
async function openWithSync(sync: () => Promise<void>): Promise<{ collector: TestCollector; log: EventLog }> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-sync-'));
  const log = await openLmdbEventLog({ dir, partitions: 2, sync });
  dispose.push(async () => {
    await log.dispose();
    await rm(dir, { recursive: true, force: true });
  });
  const collector = await openTestCollector({ wrapLog: () => log });
  dispose.push(() => collector.dispose());
  return { collector, log };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not become so in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it('sends no 2xx before a slow sync has returned, whatever it is asked meanwhile', async () => {
  const gate = aGate();
  let syncs = 0;
  const { collector } = await openWithSync(async () => {
    syncs += 1;
    await gate.opened;
  });
  const statuses: number[] = [];
  const answers = Array.from({ length: 30 }, (_, index) =>
    collector.post(JSON.stringify(anEvent({ event_id: `e-${index}` }))).then(({ status }) => statuses.push(status)),
  );
  await until(() => syncs > 0);
  for (let count = 0; count < 20; count += 1) await fetch(`${collector.url}/none`);
  expect(statuses).toEqual([]);
  gate.open();
  await Promise.all(answers);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

it('sends no 2xx for what a failing sync has not made durable, and takes events again when it works', async () => {
  let broken = true;
  const { collector } = await openWithSync(async () => {
    if (broken) throw new Error('EIO');
  });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => collector.post(JSON.stringify(anEvent({ event_id: `e-${index}` })))),
  );
  for (const answer of answers) expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  expect((await fetch(`${collector.url}/sink-health`)).status).toBe(503);
  broken = false;
  expect((await fetch(`${collector.url}/sink-health`)).status).toBe(200);
  expect((await collector.post(JSON.stringify(anEvent({ event_id: 'after' })))).status).toBe(200);
});

it('while the log takes nothing it answers 503, /sink-health too; then all that was accepted is there once, and an SDK that retries lost nothing', async () => {
  let full = false;
  let refused = 0;
  const noSpace = () => Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
  const collector = await openTestCollector({
    clock: systemClock,
    wrapLog: (log) => ({
      ...log,
      append: (blocks) => {
        if (!full) return log.append(blocks);
        refused += 1;
        return noSpace();
      },
      checkHealth: () => (full ? noSpace() : log.checkHealth()),
    }),
  });
  dispose.push(() => collector.dispose());
  const accepted: string[] = [];
  let sent = 0;
  let stopped = false;
  const drive = async () => {
    while (!stopped) {
      sent += 1;
      const ids = [`p-${sent}-a`, `p-${sent}-b`];
      const response = await collector.post(
        JSON.stringify({ batch: ids.map((event_id) => ({ ...anEvent({ event_id }), occurred_at: Date.now() })) }),
      );
      await response.arrayBuffer();
      if (response.status === 200) accepted.push(...ids);
      else expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    }
  };
  const driving = Promise.all([drive(), drive(), drive(), drive()]);
  await until(() => accepted.length > 50);
  full = true;
  await until(() => refused > 5);
  expect((await fetch(`${collector.url}/sink-health`)).status).toBe(503);
  const errors: unknown[] = [];
  const analytics = new Analytics({ writeKey, host: collector.url, path: '/v1/batch', maxRetries: 20, flushAt: 10 });
  analytics.on('error', (error) => errors.push(error));
  for (let index = 0; index < 40; index += 1)
    analytics.track({ userId: 'u-1', event: 'sdk', messageId: `sdk-${index}` });
  const before = refused;
  // Refused with the SDK's own requests among them: each of its batches is sent at once.
  await until(() => refused > before + 10);
  full = false;
  await analytics.closeAndFlush({ timeout: 25_000 });
  stopped = true;
  await driving;
  expect((await fetch(`${collector.url}/sink-health`)).status).toBe(200);
  const stored = eventsOf(await collector.stored()).map(({ event_id }) => event_id);
  const held = new Set(stored);
  expect(accepted.filter((id) => !held.has(id))).toEqual([]);
  expect(stored.length).toBe(held.size);
  expect(errors).toEqual([]);
  expect(stored.filter((id) => id.startsWith('sdk-'))).toHaveLength(40);
}, 60_000);
