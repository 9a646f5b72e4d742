import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EventLog } from '@tributary/platform/event-log';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import type { LogBlock } from '@tributary/schema';
import { z } from 'zod';
import { aBlock, type EventSpec, partitionOfEvent } from './blocks.testing.ts';

/**
 * Kills of the consumer and of the warehouse in turn (SIGKILL), while batches over two months are being inserted:
 * `TRIBUTARY_TEST_KILLS=60 npm test -- ingest/src/consumer/consumer-kill` for the long run.
 */
const kills = Number(process.env['TRIBUTARY_TEST_KILLS'] ?? 6);
const partitions = 4;
/** Blocks waiting in the log at most: enough that the consumer never rests. */
const backlogBlocks = 800;
const tenantFree = 'a test';

describe('the consumer and the warehouse, killed again and again under load', () => {
  let test: TestWarehouse;
  let eventLog: EventLog;
  let dir: string;
  let consumer: ConsumerProcess;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tributary-kill-'));
    test = await startTestWarehouse();
    eventLog = await openLmdbEventLog({ dir, partitions });
  });
  afterAll(async () => {
    await consumer?.end('SIGTERM');
    await eventLog?.dispose();
    await test?.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  it(
    'lose and double nothing',
    async () => {
      const options = { logDir: dir, partitions, url: test.url, database: 'tributary' };
      const producer = createProducer(eventLog);
      consumer = startConsumer(options);
      const producing = producer.run();
      for (let kill = 0; kill < kills; kill += 1) {
        await untilCommitted(eventLog, (await committedBlocks(eventLog)) + 40);
        await consumer.midInsert();
        if (kill % 2 === 0) {
          await consumer.end('SIGKILL');
          consumer = startConsumer(options, consumer.found);
        } else {
          await test.kill9();
          await test.restart();
        }
      }
      producer.stop();
      await producing;
      await untilCommitted(eventLog, producer.appended());
      await consumer.end('SIGTERM');
      const outcome = `${kills} kills, ${producer.ledger.rows} rows, ${consumer.found.partly} batches found stored in part`;
      process.stderr.write(`${outcome}\n`);
      await expectLedger(test.warehouse, producer.ledger);
    },
    60_000 + kills * 15_000,
  );
});

interface ConsumerProcess {
  /** Counted over all consumer processes, from what they log. */
  readonly found: { partly: number };
  /** Resolves at a random time within an insert, its length guessed from the one before. */
  midInsert(): Promise<void>;
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

function startConsumer(options: object, found = { partly: 0 }): ConsumerProcess {
  const entry = fileURLToPath(new URL('./consumer-child.testing.ts', import.meta.url));
  const child: ChildProcess = fork(entry, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    execArgv: ['--no-warnings'],
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    for (const [, lines, of] of chunk.toString('utf8').matchAll(/"lines":(\d+),"of":(\d+),"msg":"[^"]*in part/g)) {
      // Fewer are a block that was sent twice, more one whose repeats were left out.
      const share = Number(lines) / Number(of);
      if (share > 0.2 && share < 0.8) found.partly += 1;
    }
  });
  let begunAt = 0;
  let insertMs = 100;
  let onBegun = () => {};
  child.on('message', ({ insert }: { insert: 'begun' | 'ended' }) => {
    if (insert === 'ended') insertMs = performance.now() - begunAt;
    else {
      begunAt = performance.now();
      onBegun();
    }
  });
  return {
    found,
    async midInsert() {
      await new Promise<void>((resolve) => {
        onBegun = resolve;
      });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * insertMs));
    },
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    },
  };
}

interface Ledger {
  /** block id → indexes that must be stored. */
  readonly blocks: Map<string, number[]>;
  readonly conflicts: Set<string>;
  rows: number;
  /** In hundredths. */
  revenue: number;
}

/** Appends blocks of about 100 events over two months, with repeats, conflicts and blocks sent twice, and notes what must come of it. */
function createProducer(eventLog: EventLog) {
  const ledger: Ledger = { blocks: new Map(), conflicts: new Set(), rows: 0, revenue: 0 };
  const recent: EventSpec[] = [];
  let events = 0;
  let blocks = 0;
  let isStopped = false;

  function nextEvent(now: number): EventSpec {
    const dice = Math.random();
    const earlier = recent[Math.floor(Math.random() * recent.length)];
    if (earlier && dice < 0.02) return dice < 0.005 ? { ...earlier, payload: 'another' } : earlier;
    events += 1;
    const event = {
      eventId: `event-${events}`,
      payload: 'usual',
      occurredAt: now - (events % 2) * 31 * 86_400_000,
      revenue: `${events % 1_000}.25`,
      fields: { properties: JSON.stringify({ text: 'x'.repeat(60) }) },
    };
    recent[events % 2_000] = event;
    return event;
  }

  const met = new Set<string>();
  function note(block: LogBlock, specs: readonly EventSpec[]): void {
    const stored: number[] = [];
    for (const [index, spec] of specs.entries()) {
      if (met.has(spec.eventId)) {
        if (spec.payload !== 'usual') ledger.conflicts.add(`${block.header.blockId}-${index}`);
        continue;
      }
      met.add(spec.eventId);
      stored.push(index);
      ledger.revenue += Math.round(Number(spec.revenue) * 100);
    }
    ledger.rows += stored.length;
    ledger.blocks.set(block.header.blockId, stored);
  }

  async function appendSome(): Promise<void> {
    const now = Date.now();
    const specs = Array.from({ length: 100 * partitions }, () => nextEvent(now));
    const parts = Map.groupBy(specs, (spec) => partitionOfEvent(spec, partitions));
    const made = [...parts].map(([partition, own]) => {
      const block = aBlock({ partition, receivedAt: now, events: own });
      note(block, own);
      return block;
    });
    const twice = Math.random() < 0.1 ? made : [];
    await eventLog.append([...made, ...twice]);
    blocks += made.length + twice.length;
  }

  return {
    ledger,
    appended: () => blocks,
    stop() {
      isStopped = true;
    },
    async run() {
      while (!isStopped) {
        if (blocks - (await committedBlocks(eventLog)) < backlogBlocks) await appendSome();
        else await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}

async function committedBlocks(eventLog: EventLog): Promise<number> {
  return Number((await eventLog.committed('warehouse')).reduce((sum, offset) => sum + offset, 0n));
}

async function untilCommitted(eventLog: EventLog, blocks: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  while ((await committedBlocks(eventLog)) < blocks) {
    if (Date.now() > deadline) throw new Error('the consumer does not come on');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const storedBlocks = defineQuery({
  name: 'test.blocks',
  sql: `SELECT block_id, arraySort(groupArray(block_index)) AS indexes FROM events GROUP BY block_id`,
  params: z.object({}),
  row: z.object({ block_id: z.string(), indexes: z.array(z.number()) }),
  tenantFree,
});
const totals = defineQuery({
  name: 'test.totals',
  sql: `SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(event_id)) AS ids, toFloat64(sum(revenue_amount) * 100) AS revenue
FROM events`,
  params: z.object({}),
  row: z.object({ rows: z.number(), ids: z.number(), revenue: z.number() }),
  tenantFree,
});
/** The expressions of the projection by_minute, so that the engine answers from it. */
const aggregates = defineQuery({
  name: 'test.aggregates',
  sql: `SELECT toUInt32(sum(events)) AS rows, toFloat64(sum(revenue) * 100) AS revenue FROM (
  SELECT toStartOfMinute(occurred_at), count() AS events, sum(revenue_amount) AS revenue
  FROM events GROUP BY toStartOfMinute(occurred_at) SETTINGS force_optimize_projection = 1)`,
  params: z.object({}),
  row: z.object({ rows: z.number(), revenue: z.number() }),
  tenantFree,
});
const conflicts = defineQuery({
  name: 'test.conflicts',
  sql: `SELECT dead_letter_id FROM dead_letters FINAL WHERE code = 'DEDUPE_CONFLICT'`,
  params: z.object({}),
  row: z.object({ dead_letter_id: z.string() }),
  tenantFree,
});

async function expectLedger(warehouse: Warehouse, ledger: Ledger): Promise<void> {
  const { rows, revenue } = ledger;
  expect(await warehouse.query(totals, {})).toEqual([{ rows, ids: rows, revenue }]);
  expect(await warehouse.query(aggregates, {})).toEqual([{ rows, revenue }]);
  const stored = new Map((await warehouse.query(storedBlocks, {})).map((row) => [row.block_id, row.indexes]));
  const wrong = [...ledger.blocks].filter(([id, indexes]) => (stored.get(id) ?? []).join() !== indexes.join());
  expect(wrong).toEqual([]);
  const dead = (await warehouse.query(conflicts, {})).map(({ dead_letter_id }) => dead_letter_id);
  expect(dead.toSorted()).toEqual([...ledger.conflicts].toSorted());
}
