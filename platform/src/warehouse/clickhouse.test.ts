import { describeWarehouseContract } from '../warehouse.contract.ts';
import { openClickHouseWarehouse } from './clickhouse.ts';
import { migrateWarehouse } from './migrate.ts';
import { startTestWarehouse } from './test-warehouse.testing.ts';

const login = { database: 'tributary_contract', user: 'default', password: '' };
// Port 9 of loopback: nothing listens there.
const openUnreachable = () => openClickHouseWarehouse({ ...login, url: 'http://127.0.0.1:9' });

describeWarehouseContract('chDB in a child process', async () => {
  const { warehouse, dispose } = await startTestWarehouse();
  return { warehouse, openUnreachable, dispose };
});

const url = process.env['TRIBUTARY_TEST_CLICKHOUSE_URL'];
if (url) {
  describeWarehouseContract('ClickHouse server', async () => {
    await migrateWarehouse({ warehouse: { url, memoryBytes: 0, ...login }, ports: { warehouse: 0 } });
    const warehouse = openClickHouseWarehouse({ ...login, url });
    return { warehouse, openUnreachable, dispose: () => warehouse.dispose() };
  });
} else {
  describe.skip('warehouse contract: ClickHouse server (TRIBUTARY_TEST_CLICKHOUSE_URL is not set)', () => {
    it('is not run', () => undefined);
  });
}

describe('the warehouse client', () => {
  it('is disposed once, and refuses statements afterwards', async () => {
    const warehouse = openUnreachable();
    await Promise.all([warehouse.dispose(), warehouse.dispose()]);
    await expect(warehouse.execute({ name: 'late', sql: 'SELECT 1' })).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
    });
  });

  it('inserts only into what is named as a table', async () => {
    const warehouse = openUnreachable();
    const table = 'events FORMAT JSONEachRow {} ; DROP TABLE events --';
    await expect(
      warehouse.insertBytes({ name: 'odd', table, format: 'JSONEachRow', body: new Uint8Array() }),
    ).rejects.toMatchObject({ code: 'INTERNAL' });
    await warehouse.dispose();
  });
});
