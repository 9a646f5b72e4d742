import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openRelational } from '@tributary/prisma/client';
import { readDirectorySnapshot } from '@tributary/prisma/directory';
import { migrateRelational } from '@tributary/prisma/migrate';
import { seedDemo } from '@tributary/prisma/seed-demo';
import { loadConfig } from '@tributary/schema';
import { temporaryDir } from './family.testing.ts';
import { createDatabase } from './product.testing.ts';

const postgresUrl = process.env['TRIBUTARY_TEST_POSTGRES_URL'];
const run = promisify(execFile);

if (postgresUrl === undefined)
  describe.skip('backup of Postgres [TRIBUTARY_TEST_POSTGRES_URL is not set]', () => it('', () => undefined));
else
  it('a dump of Postgres, restored into an empty database, gives the same directory and needs no migration', async () => {
    const folder = await temporaryDir();
    const [from, to] = [await createDatabase(postgresUrl), await createDatabase(postgresUrl)];
    const open = (url: string) => openRelational(loadConfig({ TRIBUTARY_POSTGRES_URL: url }));
    const original = await open(from.url);
    try {
      await migrateRelational(original);
      await seedDemo(original, { clock: { now: () => Date.now() }, publicCollectorUrl: 'http://localhost:4001' });
      const before = await readDirectorySnapshot(original, 0);
      expect(before.keys.length).toBeGreaterThan(0);

      const dump = join(folder.dir, 'tributary.dump');
      await run('pg_dump', ['--format=custom', `--file=${dump}`, from.url]);
      await run('pg_restore', [`--dbname=${to.url}`, dump]);

      const restored = await open(to.url);
      try {
        expect(await migrateRelational(restored)).toEqual(await migrateRelational(original));
        expect(await readDirectorySnapshot(restored, 0)).toEqual(before);
      } finally {
        await restored.dispose();
      }
    } finally {
      await original.dispose();
      await from.drop();
      await to.drop();
      await folder.dispose();
    }
  }, 60_000);
