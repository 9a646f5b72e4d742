import { blocksOfEvents, createConsumer, type LooseEvent } from '@tributary/ingest/consumer';
import type { EventLog } from '@tributary/platform/event-log';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { hash64, hex64 } from '@tributary/schema';
import { z } from 'zod';

export const noon = Date.UTC(2026, 10, 20, 12);

/** An event of a test; all but its id is made up. */
export function anEvent(eventId: string, over: Partial<LooseEvent> = {}): LooseEvent {
  return {
    tenant_id: 'ten_a',
    app_id: 'app_a',
    payload_hash: hex64(hash64(`payload of ${eventId}`)),
    source_format: 'native',
    received_at: noon,
    clock_skew_ms: -250,
    flags: ['late'],
    device_key: `device-${eventId}`,
    event_id: eventId,
    environment: 'production',
    event_name: 'purchase',
    event_kind: 'purchase',
    anonymous_id: `device-${eventId}`,
    occurred_at: noon - 60_000,
    sent_at: noon - 1_000,
    revenue_amount: '4.99',
    revenue_currency: 'EUR',
    country: 'DE',
    properties: '{"label":"gr\\u00fc\\u00dfe, \\"quoted\\""}',
    ...over,
  };
}

/** Puts events into the log and has a consumer store all that is in it. */
export async function storeEvents(
  stores: { readonly eventLog: EventLog; readonly warehouse: Warehouse },
  events: readonly LooseEvent[],
): Promise<void> {
  const { eventLog } = stores;
  if (events.length > 0) await eventLog.append(blocksOfEvents(events, eventLog.partitionCount, noon));
  const consumer = createConsumer({
    ...stores,
    liveBus: createMemoryLiveBus(),
    clock: { now: () => noon },
    logger: createLogger('test', 'silent'),
    config: {
      eventLog: { partitions: eventLog.partitionCount, retentionHours: 1e6, retentionBytes: 1e12, kafkaBrokers: [] },
      liveIntervalMs: 250,
    },
    settings: { lingerMs: 0, steadyLingerMs: 0, settleMs: 5, firstBackoffMs: 5, longestBackoffMs: 20 },
  });
  await consumer.start();
  try {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const [committed, ends] = await Promise.all([eventLog.committed('warehouse'), eventLog.ends()]);
      if (ends.every(({ partition, nextOffset }) => committed[partition] === nextOffset)) return;
      if (Date.now() > deadline) throw new Error('the log was not drained in time');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    await consumer.dispose();
  }
}

const allIds = defineQuery({
  name: 'test.ids',
  sql: 'SELECT app_id, event_id FROM events ORDER BY app_id, event_id, received_at',
  params: z.object({}),
  row: z.object({ app_id: z.string(), event_id: z.string() }),
  tenantFree: 'a test',
});

/** `app/event` of all rows. */
export const readIds = async (warehouse: Warehouse): Promise<string[]> =>
  (await warehouse.query(allIds, {})).map(({ app_id, event_id }) => `${app_id}/${event_id}`);
