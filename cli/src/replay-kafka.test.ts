import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lockDataDir } from '@tributary/platform/data-dir-lock';
import { loadConfig } from '@tributary/schema';
import { anEvent, noon, readIds, storeEvents } from './replay-app.testing.ts';
import { openCommandStores, startPrivateWarehouse } from './replay-stores.ts';

const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS'];

if (brokers) describeOnBroker(brokers);
else {
  describe.skip('the command replay on Kafka (TRIBUTARY_TEST_KAFKA_BROKERS is not set)', () => {
    it('brings back a lost row while the product runs, and is undone', () => undefined);
  });
}

function describeOnBroker(kafkaBrokers: string): void {
  describe('the command replay on Kafka', () => {
    it('brings back a lost row while the product runs, and is undone', async () => {
      const dir = await mkdtemp(join(tmpdir(), 'tributary-replay-kafka-'));
      const lock = await lockDataDir(join(dir, 'data'));
      const running = await startPrivateWarehouse(join(dir, 'data', 'warehouse'), 600_000_000);
      const env = {
        TRIBUTARY_DATA_DIR: join(dir, 'data'),
        TRIBUTARY_WAREHOUSE_PORT: String(running.port),
        TRIBUTARY_LOG_LEVEL: 'silent',
        TRIBUTARY_KAFKA_BROKERS: kafkaBrokers,
        TRIBUTARY_KAFKA_TOPIC: `replay-${randomUUID()}`,
        TRIBUTARY_KAFKA_REPLICATION: '1',
        TRIBUTARY_LOG_PARTITIONS: '2',
      };
      const stores = await openCommandStores(loadConfig(env), 'test');
      const main = fileURLToPath(new URL('main.ts', import.meta.url));
      const replay = async (...args: string[]): Promise<string[]> => {
        const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', main, 'replay', ...args], {
          env: { PATH: process.env['PATH'], ...env },
        });
        return stdout.split('\n');
      };
      try {
        const [eventLog, warehouse] = await Promise.all([stores.ports.eventLog(), stores.ports.warehouse()]);
        await storeEvents({ eventLog, warehouse }, [
          anEvent('one'),
          anEvent('two'),
          anEvent('other', { received_at: noon - 3_600_000 }),
        ]);
        await warehouse.execute({
          name: 'test.lose',
          sql: `ALTER TABLE events DELETE WHERE event_id = 'two'`,
          settings: { mutations_sync: 2 },
        });
        // A deletion in the second of the swap counts as made since, and would forbid the undoing.
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        const said = await replay('--from', String(noon - 1_000), '--to', String(noon + 1_000));
        expect(said).toContainEqual(expect.stringMatching(/^2026-11-20 +1 +2 +\+1$/));
        expect(await readIds(warehouse)).toEqual(['app_a/one', 'app_a/other', 'app_a/two']);
        const id = /^replay undo (\d+) /.exec(said.find((line) => line.startsWith('replay undo ')) ?? '')?.[1];
        await replay('undo', id ?? '');
        expect(await readIds(warehouse)).toEqual(['app_a/one', 'app_a/other']);
      } finally {
        await stores.dispose();
        await running.dispose();
        await lock.release();
        await rm(dir, { recursive: true, force: true });
      }
    }, 180_000);
  });
}
