import { writeFile } from 'node:fs/promises';
import { benchQueries, fileTextOf } from './query-list.ts';

/** Writes `query/*.sql` anew from what the readers ask. */
for (const query of benchQueries(Date.parse('2026-11-24T12:00:00Z'))) {
  await writeFile(new URL(`./query/${query.name}.sql`, import.meta.url), fileTextOf(query));
}
