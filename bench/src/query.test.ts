import { readdir, readFile } from 'node:fs/promises';
import { benchQueries, fileTextOf } from './query-list.ts';

const queries = benchQueries(Date.parse('2026-11-24T12:00:00Z'));
const folder = new URL('./query/', import.meta.url);

describe('the ten queries of the bench', () => {
  it('are ten files', async () => {
    const files = await readdir(folder);
    expect(files.sort()).toEqual(queries.map((query) => `${query.name}.sql`).sort());
    expect(files).toHaveLength(10);
  });

  it.each(queries)('$name is what the readers ask (else: node bench/src/query-files.ts)', async (query) => {
    expect(await readFile(new URL(`${query.name}.sql`, folder), 'utf8')).toBe(fileTextOf(query));
  });
});
