/**
 * A process that appends until it is killed, and prints the id of each block once its append resolved: the prey of
 * lmdb.test.ts. Arguments: directory, partitions, concurrency.
 */
import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { aBlock } from './block.testing.ts';
import { openLmdbEventLog } from './lmdb.ts';

const [dir = '', partitions = '4', concurrency = '16'] = process.argv.slice(2);
const log = await openLmdbEventLog({ dir, partitions: Number(partitions) });

await Promise.all(
  Array.from({ length: Number(concurrency) }, async (_, worker) => {
    for (let turn = 0; ; turn += 1) {
      const partition = (worker + turn) % Number(partitions);
      const blockId = `${process.pid}-${worker}-${turn}`;
      await log.append([aBlock({ partition, count: 40, lineBytes: 400, blockId })]);
      // Synchronous, so that nothing acknowledged is lost in a buffer of this process.
      writeSync(1, `${blockId}\n`);
      // Keeps the amount that the test must read in bounds; others of this process are in flight meanwhile.
      await setTimeout(2);
    }
  }),
);
