import { systemClock } from '@tributary/platform/clock';
import type { EventLog } from '@tributary/platform/event-log';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { LogBlock } from '@tributary/schema';
import * as fc from 'fast-check';
import { aBlock, type EventSpec, partitionOfEvent } from './blocks.testing.ts';
import { createConsumer } from './consumer.ts';
import { createFaultyPorts, createLateInserts, type Fault } from './faults.testing.ts';
import type { ConsumerSettings } from './settings.ts';

/** What producers do, and what goes wrong meanwhile. */
export interface Scenario {
  /** In the order in which they are appended; a repeat is the same object. */
  readonly blocks: readonly LogBlock[];
  /** One for each call of a port, in order; no more faults after the last. */
  readonly faults: readonly (Fault | null)[];
  /** After how many calls of its successors an insert of a crashed consumer is done, when nobody ends it. */
  readonly lateCalls: number;
}

export const scenarioPartitions = 2;
const receivedAt = Date.UTC(2026, 10, 20, 12);
const months = [receivedAt - 60_000, receivedAt - 30 * 86_400_000] as const;

const eventSpec = fc
  .record({
    key: fc.nat(25),
    payload: fc.nat(3).map((number) => (number === 0 ? 'other' : 'usual')),
    appId: fc.constantFrom('app_a', 'app_a', 'app_b'),
    month: fc.constantFrom(...months),
    isPoison: fc.nat(24).map((number) => number === 0),
  })
  .map(({ key, payload, appId, month, isPoison }): EventSpec & { isPoison: boolean } => ({
    eventId: `e${key}`,
    payload,
    appId,
    occurredAt: month + key * 1_000,
    revenue: `${key}.25`,
    isPoison,
  }));

const faultNames: readonly Fault[] = [
  'fail_before',
  'fail_after',
  'fail_half',
  'fail_late',
  'crash_before',
  'crash_after',
  'crash_half',
  'crash_late',
];

/** Blocks with repeats and conflicts, some sent twice, and a fault at about every third call. */
export const scenarios: fc.Arbitrary<Scenario> = fc
  .record({
    batches: fc.array(fc.array(eventSpec, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 14 }),
    repeats: fc.array(fc.record({ block: fc.nat(), at: fc.nat() }), { maxLength: 4 }),
    faults: fc.array(fc.option(fc.constantFrom(...faultNames), { freq: 2 }), { maxLength: 30 }),
    lateCalls: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ batches, repeats, faults, lateCalls }) => {
    const blocks = batches.flatMap((events, number) => blocksOf(events, number));
    for (const { block, at } of repeats) blocks.splice(at % (blocks.length + 1), 0, blocks[block % blocks.length]!);
    return { blocks, faults, lateCalls };
  });

/** One block for each partition, as the collector splits a request. A poisoned line has a key of its own. */
function blocksOf(events: readonly (EventSpec & { isPoison: boolean })[], number: number): LogBlock[] {
  const specs = events.map(({ isPoison, ...event }, index) =>
    isPoison ? { ...event, eventId: `poison-${number}-${index}`, fields: { occurred_at: 'soon' } } : event,
  );
  const parts = Map.groupBy(specs, (event) => partitionOfEvent(event, scenarioPartitions));
  return [...parts].map(([partition, own]) => aBlock({ partition, receivedAt: receivedAt + number, events: own }));
}

/** A line by where it stands. */
export type LineId = `${string}#${number}`;

export interface Ledger {
  /** What `events` must hold, each once. */
  readonly stored: ReadonlySet<LineId>;
  readonly conflicts: ReadonlySet<LineId>;
  readonly refused: ReadonlySet<LineId>;
}

/** What must come of the blocks, by the rule alone: the first of a key wins, in the order of its partition. */
export function ledgerOf(blocks: readonly LogBlock[]): Ledger {
  const winners = new Map<string, { line: LineId; payload: string }>();
  const ledger = { stored: new Set<LineId>(), conflicts: new Set<LineId>(), refused: new Set<LineId>() };
  for (const { header, body } of blocks) {
    const lines = Buffer.from(body).toString('utf8').trimEnd().split('\n');
    for (const [index, text] of lines.entries()) {
      const line: LineId = `${header.blockId}#${index}`;
      const event = JSON.parse(text) as { app_id: string; event_id: string; occurred_at: unknown };
      if (typeof event.occurred_at !== 'number') {
        ledger.refused.add(line);
        continue;
      }
      const key = `${event.app_id} ${event.event_id}`;
      const payload = header.payloadHashes.slice(index * 16, index * 16 + 16);
      const winner = winners.get(key);
      if (!winner) {
        winners.set(key, { line, payload });
        ledger.stored.add(line);
      } else if (winner.line !== line && winner.payload !== payload) ledger.conflicts.add(line);
    }
  }
  return ledger;
}

export interface ScenarioOutcome {
  /** How many processes it took. */
  readonly starts: number;
}

const quick: Partial<ConsumerSettings> = {
  lingerMs: 0,
  settleMs: 0,
  firstBackoffMs: 1,
  longestBackoffMs: 2,
  maxBatchBlocks: 4,
  maxBatchRows: 24,
};

/** Starts consumers, one after the other crashed, until the whole log is stored and committed. */
export async function runScenario(
  scenario: Scenario,
  stores: { readonly warehouse: Warehouse; readonly eventLog: EventLog },
): Promise<ScenarioOutcome> {
  const { eventLog } = stores;
  const late = createLateInserts(scenario.lateCalls);
  const faults = [...scenario.faults];
  const half = Math.ceil(scenario.blocks.length / 2);
  await eventLog.append(scenario.blocks.slice(0, half));
  let waiting = scenario.blocks.slice(half);
  for (let starts = 1; ; starts += 1) {
    const ports = createFaultyPorts({ ...stores, late }, () => faults.shift() ?? null);
    const consumer = createConsumer({
      ...ports,
      liveBus: createMemoryLiveBus(),
      clock: systemClock,
      logger: createLogger('test', 'silent'),
      config: {
        eventLog: { partitions: scenarioPartitions, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: [] },
        liveIntervalMs: 250,
      },
      settings: quick,
    });
    await consumer.start();
    await eventLog.append(waiting);
    waiting = [];
    let isCrashed = false;
    void ports.crashed.then(() => {
      isCrashed = true;
    });
    await untilDrained(eventLog, () => isCrashed);
    // It may still crash just after its last commit.
    await Promise.race([ports.crashed, isCrashed ? ports.crashed : consumer.dispose()]);
    if (!isCrashed) return { starts };
  }
}

async function untilDrained(eventLog: EventLog, isOver: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!isOver()) {
    const [committed, ends] = await Promise.all([eventLog.committed('warehouse'), eventLog.ends()]);
    if (ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset)) return;
    if (Date.now() > deadline) throw new Error('the log was not drained in time');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
