// Makes the Prisma client from schema.prisma, offline. Runs as the root's `postinstall`, under whatever Node (20.19 or
// later) npm has: hence plain JavaScript, and no dependency but the `prisma` package itself.
//
// Skips when the client on disk was made from this very schema by this very version of Prisma.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const schemaFile = join(here, 'schema.prisma');
const generated = join(here, 'src', 'generated');
const stampFile = join(generated, '.made-from');

const packageFile = createRequire(import.meta.url).resolve('prisma/package.json');
const { version, bin } = JSON.parse(readFileSync(packageFile, 'utf8'));
const stamp = createHash('sha256').update(version).update('\0').update(readFileSync(schemaFile)).digest('hex');

function upToDate() {
  return (
    existsSync(join(generated, 'client.ts')) &&
    existsSync(stampFile) &&
    readFileSync(stampFile, 'utf8').trim() === stamp
  );
}

if (!upToDate()) {
  const result = spawnSync(
    process.execPath,
    [join(dirname(packageFile), bin.prisma), 'generate', '--schema', schemaFile, '--no-hints'],
    {
      cwd: here,
      encoding: 'utf8',
      env: {
        ...process.env,
        // Generating needs no schema engine, yet Prisma downloads one unless told where it is. Any program will do.
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        CHECKPOINT_DISABLE: '1',
      },
    },
  );
  if (result.status !== 0) {
    console.error(result.stdout, result.stderr, result.error ?? '');
    throw new Error(`prisma generate failed with ${result.status ?? result.signal}`);
  }
  writeFileSync(stampFile, `${stamp}\n`);
  console.log(`Prisma client ${version} made from prisma/schema.prisma`);
}
