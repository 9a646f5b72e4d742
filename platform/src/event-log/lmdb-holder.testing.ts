/** A process that becomes the reader of group `g`, says so and stays until it is killed. Argument: directory. */
import { openLmdbEventLog } from './lmdb.ts';

const [dir = ''] = process.argv.slice(2);
const log = await openLmdbEventLog({ dir, partitions: 1 });
const reader = await log.openReader({
  group: 'g',
  onAssigned: async () => {
    console.log('assigned');
  },
});
for (;;) await reader.next({ maxBytes: 1, waitMs: 60_000 });
