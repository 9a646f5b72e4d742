import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { type LiveMessages, loadConfig } from '@tributary/schema';
import { createAttributionWorker } from './index.ts';
import { aDirectory, anEvent, aWorld } from './world.testing.ts';

const start = Date.parse('2026-11-24T12:00:00.000Z');
let test: TestWarehouse;
beforeAll(async () => {
  test = await startTestWarehouse();
});
afterAll(() => test?.dispose());

describe('the attribution worker on the live bus', () => {
  it('tells of each conversion once its journey is stored, and not again when nothing changed', async () => {
    const liveBus = createMemoryLiveBus();
    const told: LiveMessages['conversion.recorded'][] = [];
    await liveBus.subscribe('conversion.recorded', (message) => told.push(message));
    const worker = createAttributionWorker({
      warehouse: test.warehouse,
      directory: aDirectory(aWorld()),
      liveBus,
      clock: { now: () => start },
      logger: createLogger('test', 'silent'),
      config: loadConfig({}),
    });
    const purchase = anEvent('purchase', {
      occurred_at: start - 60_000,
      gaid: 'g1',
      revenue_amount: '5',
      revenue_currency: 'USD',
    });
    await test.warehouse.insertRows({ name: 'test_rows', table: 'events', rows: [purchase] });
    expect((await worker.runOnce()).journeys).toBe(1);
    const conversionId = `app_a:native:${purchase['event_id']}#app_a_purchase`;
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(told).toEqual([{ tenantId: 'ten_a', appId: 'app_a', conversionId, revision: 1, at: start }]);
    await worker.runOnce();
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(told).toHaveLength(1);
    await worker.dispose();
    await liveBus.dispose();
  });
});
