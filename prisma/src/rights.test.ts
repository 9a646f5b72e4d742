import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { openRelational } from './client.ts';
import { migrateRelational } from './migrate.ts';

const url = process.env['TRIBUTARY_TEST_POSTGRES_URL'];

if (url) describeRights(url);
else {
  describe.skip('a Postgres role with the rights of the documents (TRIBUTARY_TEST_POSTGRES_URL is not set)', () => {
    it('migrates and uses its database, and may nothing beyond it', () => undefined);
  });
}

function describeRights(url: string): void {
  describe('a Postgres role with the rights of the documents', () => {
    const name = `tributary_test_${randomBytes(6).toString('hex')}`;
    const own = new URL(url);
    own.username = name;
    own.password = 'PASSWORD';
    own.pathname = `/${name}`;
    const asAdmin = async (...statements: string[]) => {
      const admin = new pg.Client({ connectionString: url });
      await admin.connect();
      try {
        for (const statement of statements) await admin.query(statement);
      } finally {
        await admin.end();
      }
    };

    beforeAll(async () => {
      const document = await readFile(new URL('../../docs/operations/rights.md', import.meta.url), 'utf8');
      const statements = /```sql\n([^`]*)```/.exec(document)?.[1]?.trim().split('\n') ?? [];
      expect(statements).toHaveLength(3);
      await asAdmin(...statements.map((statement) => statement.replaceAll(/\btributary\b/g, name)));
    });
    afterAll(() => asAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `DROP ROLE IF EXISTS ${name}`));

    it('migrates and uses its database, and may nothing beyond it', async () => {
      const relational = await openRelational({ dataDir: '', postgresUrl: own.href });
      try {
        await migrateRelational(relational);
        expect(await relational.transact((tx) => tx.tenant.count())).toBe(0);
        for (const statement of ['CREATE DATABASE more', 'CREATE ROLE more', 'SELECT * FROM pg_authid']) {
          await expect(relational.session((session) => session.exec(statement))).rejects.toThrow();
        }
      } finally {
        await relational.dispose();
      }
    });

    it('is not asked in the clear where the URL demands TLS', async () => {
      const demanding = new URL(own);
      demanding.searchParams.set('sslmode', 'require');
      // The server of the tests has no TLS.
      const relational = await openRelational({ dataDir: '', postgresUrl: demanding.href });
      await expect(relational.ping()).rejects.toMatchObject({
        cause: expect.objectContaining({ message: expect.stringContaining('SSL') }),
      });
      await relational.dispose();
    });
  });
}
