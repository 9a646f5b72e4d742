import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { CodedError } from '@tributary/schema';
import type { Logger } from '../logger.ts';
import { warehouseError } from './clickhouse-errors.ts';

export interface ClickHouseWarehouseOptions {
  /** http:// or https:// of a ClickHouse server or of our chDB child. */
  readonly url: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly logger?: Logger;
  /** Default 16. Further statements wait for a free connection. */
  readonly maxOpenConnections?: number;
}

export interface RequestLimits {
  readonly queryId: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly kind?: 'insert';
}

/** Requests to one warehouse, under limits, and what ends them. */
export interface ClickHouseRequests {
  /**
   * Sends one request under its time limit and the caller's signal. What is left running when either is over is ended in
   * the store. Rejects with catalogue errors, or with the signal's reason.
   */
  send<T>(
    name: string,
    limits: RequestLimits,
    request: (client: ClickHouseClient, signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
  kill(by: 'id' | 'prefix', value: string): Promise<void>;
  ping(): Promise<void>;
  /** Waits up to 5 s for what is under way. Idempotent. */
  dispose(): Promise<void>;
}

/** What the network may take beyond the engine's own time limit before the client gives up by itself. */
const graceMs = 2_000;
const killTimeoutMs = 60_000;
const disposalMs = 5_000;

export function createRequests(options: ClickHouseWarehouseOptions): ClickHouseRequests {
  const client = openClient(options, options.maxOpenConnections ?? 16);
  // Apart, so that ending a statement never waits behind the statements.
  const control = openClient(options, 4);
  const underWay = new Set<Promise<unknown>>();
  let disposing: Promise<void> | null = null;

  const track = <T>(work: Promise<T>): Promise<T> => {
    const settled: Promise<unknown> = work.catch(() => undefined).finally(() => underWay.delete(settled));
    underWay.add(settled);
    return work;
  };
  const requests: ClickHouseRequests = {
    async send(name, limits, request) {
      if (disposing) throw new CodedError('WAREHOUSE_UNAVAILABLE', { details: { statement: name } });
      limits.signal?.throwIfAborted();
      const deadline = AbortSignal.timeout(limits.timeoutMs + graceMs);
      const signal = limits.signal ? AbortSignal.any([limits.signal, deadline]) : deadline;
      try {
        return await track(request(client, signal));
      } catch (error) {
        if (!signal.aborted) throw warehouseError(error, name, limits.kind);
        requests.kill('id', limits.queryId).catch((cause) => {
          options.logger?.warn({ err: cause, queryId: limits.queryId }, 'a statement that was left could not be ended');
        });
        if (limits.signal?.aborted) throw limits.signal.reason;
        throw new CodedError('QUERY_TIMEOUT', { cause: error, details: { statement: name } });
      }
    },
    kill: (by, value) => track(killIn(control, by, value)),
    async ping() {
      const answer = await control.ping({ select: false, abort_signal: AbortSignal.timeout(5_000) });
      if (!answer.success) throw new CodedError('WAREHOUSE_UNAVAILABLE', { cause: answer.error });
    },
    dispose() {
      disposing ??= closeAfter(underWay, [client, control]);
      return disposing;
    },
  };
  return requests;
}

async function killIn(control: ClickHouseClient, by: 'id' | 'prefix', value: string): Promise<void> {
  const where = by === 'id' ? 'query_id = {value:String}' : 'startsWith(query_id, {value:String})';
  try {
    await control.command({
      query: `KILL QUERY WHERE ${where} SYNC`,
      query_params: { value },
      abort_signal: AbortSignal.timeout(killTimeoutMs),
    });
  } catch (error) {
    throw warehouseError(error, 'kill_query');
  }
}

async function closeAfter(
  underWay: ReadonlySet<Promise<unknown>>,
  clients: readonly ClickHouseClient[],
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, disposalMs);
  await Promise.race([Promise.all(underWay), late]);
  clearTimeout(timer);
  await Promise.all(clients.map((client) => client.close()));
}

function openClient(options: ClickHouseWarehouseOptions, connections: number): ClickHouseClient {
  return createClient({
    url: options.url,
    database: options.database,
    username: options.user,
    password: options.password,
    application: 'tributary',
    max_open_connections: connections,
    // Each statement has a limit of its own; this one only must not come before it.
    request_timeout: 24 * 3_600_000,
    compression: { request: false, response: false },
    use_multipart_params_auto: true,
    // What fails is thrown, and logged once by whoever handles it.
    log: { level: ClickHouseLogLevel.OFF },
  });
}
