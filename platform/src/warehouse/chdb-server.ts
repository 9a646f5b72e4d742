import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv4 } from 'node:net';
import { CodedError } from '@tributary/schema';
import { drainPending } from 'chdb';
import type { Logger } from '../logger.ts';
import { prepareEngine } from './chdb-engine.ts';
import { createChdbHandler } from './chdb-http.ts';
import { type Lane, openLane } from './chdb-lane.ts';
import { createLanePool, type LanePool } from './chdb-pool.ts';

export interface ChdbServerOptions {
  /** Data directory of the engine; made when absent. One process at a time. */
  readonly dir: string;
  /** Default 127.0.0.1. Anything but loopback is refused unless `allowRemote`, since there are no passwords here. */
  readonly host?: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly memoryBytes: number;
  /**
   * Connections that read side by side. Default 3: with the writer that is what Node's thread pool runs at once; more
   * need UV_THREADPOOL_SIZE raised before the process starts.
   */
  readonly readers?: number;
  /** Statements that may wait per kind. Default 256. */
  readonly maxQueued?: number;
  readonly allowRemote?: boolean;
  readonly logger: Logger;
  /** Asked first; true = it answered. For /health, /ready and /metrics. */
  readonly opsHandler?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

export interface ChdbServer {
  readonly url: string;
  /** Statements running and waiting, for readiness and metrics. */
  load(): { readonly running: number; readonly waiting: number };
  /**
   * Stops listening, lets statements end (5 s), ends the rest, closes the engine. Must be waited for before the process
   * exits: the engine crashes in exit handlers while it still merges. Idempotent.
   */
  dispose(): Promise<void>;
}

/**
 * chDB behind the part of ClickHouse's HTTP interface that `@clickhouse/client` uses. Run it in a process of its own: a
 * crash of the engine then takes nothing else along, and one process holds the directory.
 *
 * kill −9 at any moment leaves a database that opens again; inserted rows are there by whole parts.
 *
 * Rejects with CONFIG_INVALID for a host beyond loopback, with WAREHOUSE_UNAVAILABLE when the engine does not open.
 *
 * @example
 * const server = await startChdbServer({ dir: '.data/warehouse', port: 4010, memoryBytes: 1.2e9, logger });
 * process.once('SIGTERM', () => server.dispose().then(() => process.exit(0)));
 */
export async function startChdbServer(options: ChdbServerOptions): Promise<ChdbServer> {
  const { host = '127.0.0.1', readers = 3, logger } = options;
  if (!options.allowRemote && !isLoopback(host)) {
    throw new CodedError('CONFIG_INVALID', {
      message: `The embedded warehouse has no passwords and listens on loopback only, not on ${host}.`,
    });
  }
  const lanes = openLanes(options, readers + 2);
  const [control, writer, ...readerLanes] = lanes as [Lane, Lane, ...Lane[]];
  const pool = createLanePool({ control, writer, readers: readerLanes, maxQueued: options.maxQueued ?? 256, logger });
  const { allowRemote = false, opsHandler } = options;
  let server: Server;
  try {
    const handler = createChdbHandler({ pool, control, logger, allowRemote, ...(opsHandler ? { opsHandler } : {}) });
    // Parameters travel in the URL, up to what ClickHouse takes there (http_max_uri_size).
    server = createServer({ maxHeaderSize: 1_048_576 }, handler);
    // Larger than the client's idle time (2.5 s), so that it never writes into a socket that is being closed.
    server.keepAliveTimeout = 10_000;
    await listen(server, options.port, host);
  } catch (error) {
    await pool.dispose(0);
    await drainPending();
    throw error;
  }
  let disposing: Promise<void> | null = null;
  return {
    url: urlOf(server.address() as AddressInfo),
    load: () => pool.load(),
    dispose() {
      disposing ??= stop(server, pool);
      return disposing;
    },
  };
}

async function stop(server: Server, pool: LanePool): Promise<void> {
  const unheard = new Promise<void>((resolve) => server.close(() => resolve()));
  await pool.dispose(5_000);
  await drainPending();
  server.closeIdleConnections();
  // Answers under way get half a second to leave.
  const timer = setTimeout(() => server.closeAllConnections(), 500);
  await unheard;
  clearTimeout(timer);
}

function openLanes(options: ChdbServerOptions, count: number): Lane[] {
  const { path, engineArgs, baseSettings } = prepareEngine(options.dir, options.memoryBytes);
  const lanes: Lane[] = [];
  try {
    while (lanes.length < count) lanes.push(openLane({ path, engineArgs, baseSettings }));
    return lanes;
  } catch (error) {
    for (const lane of lanes) lane.close();
    throw new CodedError('WAREHOUSE_UNAVAILABLE', {
      message: `The embedded warehouse does not open in ${options.dir}. Is another process using it?`,
      cause: error,
    });
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

function urlOf({ address, port, family }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
