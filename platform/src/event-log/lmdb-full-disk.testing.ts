/**
 * Fills the log of a process whose files may not grow beyond a limit (`ulimit -f`), as on a full disk, then makes room:
 * the subject of lmdb.test.ts. Argument: directory. Prints one line of JSON.
 */
import type { CodedError } from '@tributary/schema';
import { aBlock } from './block.testing.ts';
import { openLmdbEventLog } from './lmdb.ts';

const [dir = ''] = process.argv.slice(2);
const log = await openLmdbEventLog({ dir, partitions: 1 });
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: CodedError) => error.code,
  );
const codes = new Set<string>();
let acknowledged = 0;

async function fill(): Promise<void> {
  for (let failed = 0; failed < 3; ) {
    const code = await codeOf(log.append([aBlock({ count: 20, lineBytes: 2_000 })]));
    if (code === 'ok') acknowledged += 1;
    else failed += 1;
    codes.add(code);
  }
}
// Several at once, so that a failed transaction has more than one waiting; then one alone, until not even that fits.
await Promise.all([fill(), fill(), fill(), fill()]);
await fill();
const healthWhenFull = await codeOf(log.checkHealth());
const reader = await log.openReader({ group: 'g' });
let read = 0;
for (;;) {
  const records = await reader.next({ maxBytes: 8_000_000, waitMs: 50 });
  if (records.length === 0) break;
  read += records.length;
}
const { droppedRecords } = await log.applyRetention({
  maxAgeMs: 0,
  maxBytes: 0,
  nowMs: 1_000_000,
  protectGroups: [],
});
const appendAfterwards = await codeOf(log.append([aBlock({ count: 20, lineBytes: 2_000 })]));
const healthAfterwards = await codeOf(log.checkHealth());
await log.dispose();
console.log(
  JSON.stringify({
    codes: [...codes].sort(),
    someAcknowledged: acknowledged > 0,
    // More may be there than was acknowledged, never less.
    lost: Math.max(0, acknowledged - read),
    healthWhenFull,
    allDropped: droppedRecords === read,
    appendAfterwards,
    healthAfterwards,
  }),
);
