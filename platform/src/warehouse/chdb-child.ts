import { createLogger } from '../logger.ts';
import { startChdbServer } from './chdb-server.ts';

/**
 * chDB in a process of its own: `node chdb-child.ts '{"dir": …, "port": 0, "memoryBytes": …}'`. Says `{ url }` to its
 * parent when it listens; ends in order on SIGTERM, and when the parent's channel closes, so that it never outlives it.
 */
const { dir, port, memoryBytes, readers, logLevel } = JSON.parse(process.argv[2] ?? '{}') as {
  dir: string;
  port: number;
  memoryBytes: number;
  readers?: number;
  logLevel?: string;
};
const logger = createLogger('warehouse', logLevel ?? 'warn');
const server = await startChdbServer({ dir, port, memoryBytes, logger, ...(readers ? { readers } : {}) });

let stopping = false;
const stop = () => {
  if (stopping) return;
  stopping = true;
  server.dispose().then(
    () => process.exit(0),
    (error) => {
      logger.error({ err: error }, 'the warehouse did not stop in order');
      process.exit(1);
    },
  );
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.once('disconnect', stop);
process.send?.({ url: server.url });
