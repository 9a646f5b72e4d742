/**
 * A collector on a log of its own, in whatever runtime runs this file: the subject of server.contract.ts. Arguments: directory,
 * limits as JSON. Says its URL, and ends on SIGTERM as the role does.
 */
import { systemClock } from '@tributary/platform/clock';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { createLogger } from '@tributary/platform/logger';
import { loadConfig } from '@tributary/schema';
import { aDirectory } from './collector.testing.ts';
import { createCollector } from './index.ts';
import { isBun } from './server-bun.ts';

const [dir = '', limits = '{}'] = process.argv.slice(2);
const log = await openLmdbEventLog({ dir, partitions: 2 });
let held: Promise<void> | null = null;
let release = (): void => undefined;
const collector = createCollector({
  eventLog: {
    ...log,
    append: async (blocks) => {
      await held;
      await log.append(blocks);
    },
  },
  directory: aDirectory(),
  clock: systemClock,
  logger: createLogger('collector', 'silent'),
  config: loadConfig({ TRIBUTARY_COLLECTOR_PORT: '0' }),
  limits: JSON.parse(limits),
});
const { url } = await collector.listen();
process.on('message', (message) => {
  if (message === 'hold') {
    held = new Promise((resolve) => {
      release = resolve;
    });
  } else if (message === 'release') {
    release();
    held = null;
  } else if (message === 'memory') process.send?.({ rss: process.memoryUsage.rss() });
});
process.once('SIGTERM', () => {
  void collector
    .dispose()
    .then(() => log.dispose())
    .then(() => process.exit(0));
});
process.send?.({ url, runtime: isBun ? 'bun' : 'node' });
