import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataDir } from '@tributary/platform/data-dir-lock';
import { loadConfig } from '@tributary/schema';
import { runBackup, runRestore } from './backup.ts';

let root: string;
const quiet = () => undefined;
const at = (name: string) => join(root, name);
const configOf = (env: Record<string, string> = {}) => loadConfig({ TRIBUTARY_DATA_DIR: at('data'), ...env });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tributary-backup-'));
  await mkdir(join(root, 'data/warehouse/store'), { recursive: true });
  await mkdir(join(root, 'data/exports'), { recursive: true });
  await mkdir(join(root, 'data/relational/pg_notify'), { recursive: true });
  await writeFile(join(root, 'data/warehouse/store/part.bin'), Buffer.alloc(100_000, 7));
  await writeFile(join(root, 'data/secret'), 's');
  await writeFile(join(root, 'data/exports/old.csv'), 'x');
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('a backup', () => {
  it('holds every file but locks and exports, with its hash', async () => {
    const { files } = await runBackup(configOf(), at('copy'), quiet);
    expect(files.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      ['secret', 1],
      ['warehouse/store/part.bin', 100_000],
    ]);
    expect(await readdir(at('copy'))).toEqual(['backup.json', 'relational', 'secret', 'warehouse']);
  });

  it('is refused while the product runs, and gives the directory free afterwards', async () => {
    const lock = await lockDataDir(at('data'));
    await expect(runBackup(configOf(), at('copy'), quiet)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
    await lock.release();
    await runBackup(configOf(), at('copy'), quiet);
    await (await lockDataDir(at('data'))).release();
  });

  it.each([
    ['over something that is there', {}, 'data/secret'],
    ['into the data directory', {}, 'data/copy'],
    ['of the server form', { TRIBUTARY_POSTGRES_URL: 'postgres://localhost/x' }, 'copy'],
  ])('is refused %s', async (_, env, to) => {
    await expect(runBackup(configOf(env), at(to), quiet)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('a restore', () => {
  it('gives back what was backed up, byte for byte', async () => {
    await runBackup(configOf(), at('copy'), quiet);
    await rm(at('data'), { recursive: true });
    expect(await runRestore(configOf(), at('copy'), { replace: false }, quiet)).toEqual({ keptAs: null });
    expect(await readFile(at('data/warehouse/store/part.bin'))).toEqual(Buffer.alloc(100_000, 7));
    expect((await readdir(at('data'))).sort()).toEqual(['relational', 'secret', 'warehouse']);
  });

  it('gives back folders that hold nothing, without which the relational store does not open', async () => {
    await runBackup(configOf(), at('copy'), quiet);
    await rm(at('data'), { recursive: true });
    await runRestore(configOf(), at('copy'), { replace: false }, quiet);
    expect(await readdir(at('data/relational/pg_notify'))).toEqual([]);
  });

  it('replaces only when told to, and keeps what was there', async () => {
    await runBackup(configOf(), at('copy'), quiet);
    await writeFile(at('data/secret'), 'newer');
    await expect(runRestore(configOf(), at('copy'), { replace: false }, quiet)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
    const { keptAs } = await runRestore(configOf(), at('copy'), { replace: true }, quiet);
    expect(await readFile(at('data/secret'), 'utf8')).toBe('s');
    expect(await readFile(join(keptAs!, 'secret'), 'utf8')).toBe('newer');
    await (await lockDataDir(at('data'))).release();
  });

  it.each([
    ['a changed file', () => writeFile(at('copy/secret'), 't')],
    ['a missing file', () => rm(at('copy/secret'))],
    ['no manifest', () => rm(at('copy/backup.json'))],
  ])('of a backup with %s changes nothing', async (_, harm) => {
    await runBackup(configOf(), at('copy'), quiet);
    await harm();
    await writeFile(at('data/secret'), 'newer');
    await expect(runRestore(configOf(), at('copy'), { replace: true }, quiet)).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
    });
    expect(await readFile(at('data/secret'), 'utf8')).toBe('newer');
    expect((await readdir(root)).sort()).toEqual(['copy', 'data']);
  });

  it('that names a file outside the backup is refused', async () => {
    await runBackup(configOf(), at('copy'), quiet);
    const manifest = JSON.parse(await readFile(at('copy/backup.json'), 'utf8')) as { files: { path: string }[] };
    manifest.files[0]!.path = '../data/secret';
    await writeFile(at('copy/backup.json'), JSON.stringify(manifest));
    await expect(runRestore(configOf(), at('copy'), { replace: true }, quiet)).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
    });
  });
});
