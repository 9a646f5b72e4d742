import { systemClock } from '@tributary/platform/clock';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { openClickHouseWarehouse } from '@tributary/platform/warehouse/clickhouse';
import { createConsumer } from './consumer.ts';

/**
 * A consumer in a process of its own, to be killed. Says `{ insert: 'begun' | 'ended' }` to its parent, so that it can be
 * killed in the middle of one. Ends in order on SIGTERM and when its parent is gone.
 */
const { logDir, partitions, url, database } = JSON.parse(process.argv[2] ?? '{}') as {
  logDir: string;
  partitions: number;
  url: string;
  database: string;
};
const eventLog = await openLmdbEventLog({ dir: logDir, partitions });
const warehouse = openClickHouseWarehouse({ url, database, user: 'default', password: '' });
const tell = (insert: 'begun' | 'ended') => process.connected && process.send?.({ insert });
const telling: Warehouse = {
  ...warehouse,
  async insertBytes(insert) {
    tell('begun');
    const result = await warehouse.insertBytes(insert);
    tell('ended');
    return result;
  },
};
const liveBus = createMemoryLiveBus();
const consumer = createConsumer({
  eventLog,
  warehouse: telling,
  liveBus,
  clock: systemClock,
  logger: createLogger('consumer', 'info'),
  config: {
    eventLog: { partitions, retentionHours: 1, retentionBytes: 1e9, kafkaBrokers: [] },
    liveIntervalMs: 250,
  },
});

const stop = async () => {
  await consumer.dispose();
  await warehouse.dispose();
  await eventLog.dispose();
  process.exit(0);
};
process.once('SIGTERM', stop);
process.once('disconnect', stop);
await consumer.start();
