import { createHash } from 'node:crypto';
import { z } from 'zod';
import { defineQuery } from '../warehouse.ts';
import { openClickHouseWarehouse } from './clickhouse.ts';
import { readerUserStatements } from './reader-user.ts';
import { startTestWarehouse, type TestWarehouse } from './test-warehouse.testing.ts';

describe('readers of the warehouse', () => {
  let test: TestWarehouse;
  beforeAll(async () => {
    test = await startTestWarehouse();
  });
  afterAll(() => test?.dispose());

  it('get a user that may only read, within limits (parsed here; chDB has no users)', async () => {
    const statements = readerUserStatements({
      user: 'reader',
      passwordSha256: createHash('sha256').update('secret').digest('hex'),
      database: 'tributary',
    });
    for (const sql of statements) {
      await test.warehouse.execute({ name: 'test.explain', sql: `EXPLAIN AST ${sql}` });
    }
    expect(statements.join('\n')).toMatch(/readonly = 2 CONST[\s\S]*GRANT SELECT ON `tributary`\.\* TO `reader`$/);
    expect(statements.join('\n')).not.toContain('secret');
  });

  it('cannot write by mistake, and ask under a limit of memory', async () => {
    const { warehouse: at } = test.location;
    const reader = openClickHouseWarehouse({
      url: test.url,
      database: at.database,
      user: at.user,
      password: at.password,
      readOnly: true,
      queryMemoryBytes: 50_000_000,
    });
    const ask = (sql: string) =>
      reader.query(
        defineQuery({
          name: 'test',
          sql,
          params: z.object({}),
          row: z.object({ n: z.string() }),
          tenantFree: 'a test',
        }),
        {},
      );
    try {
      expect(await ask("SELECT toString(getSetting('max_memory_usage')) AS n")).toEqual([{ n: '50000000' }]);
      await expect(ask('SELECT toString(uniqExact(number)) AS n FROM numbers(20000000)')).rejects.toMatchObject({
        code: 'QUERY_TOO_LARGE',
      });
      const body = Buffer.from('{}\n');
      const writes = [
        () => reader.execute({ name: 'test', sql: 'TRUNCATE TABLE events' }),
        () => reader.insertRows({ name: 'test', table: 'events', rows: [{}] }),
        () => reader.insertBytes({ name: 'test', table: 'events', format: 'JSONEachRow', body }),
      ];
      for (const write of writes) await expect(write()).rejects.toMatchObject({ code: 'INTERNAL' });
    } finally {
      await reader.dispose();
    }
  });
});
