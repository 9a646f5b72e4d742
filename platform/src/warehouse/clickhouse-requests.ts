import { setTimeout as sleep } from 'node:timers/promises';
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
  /** Refuses here whatever is no query, so that a role that only reads can't write by mistake. Default false. */
  readonly readOnly?: boolean;
  /** Memory of a query that sets no limit itself. Default: what the store allows. */
  readonly queryMemoryBytes?: number;
  /** Default 16. Further statements wait for a free connection. */
  readonly maxOpenConnections?: number;
}

export interface RequestLimits {
  readonly queryId: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly kind?: 'insert';
}

/** A statement by its id, or those whose ids have a prefix and hold a match of an RE2 expression. */
export type KillTarget = { readonly id: string } | { readonly prefix: string; readonly matching?: string };

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
  /** Ends what fits and resolves when none is left. */
  kill(target: KillTarget): Promise<void>;
  ping(): Promise<void>;
  /** Waits up to 5 s for what is under way. Idempotent. */
  dispose(): Promise<void>;
}

/** What the network may take beyond the engine's own time limit before the client gives up by itself. */
const graceMs = 2_000;
const killTimeoutMs = 60_000;
const killPollMs = 20;
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
        requests.kill({ id: limits.queryId }).catch((cause) => {
          options.logger?.warn({ err: cause, queryId: limits.queryId }, 'a statement that was left could not be ended');
        });
        if (limits.signal?.aborted) throw limits.signal.reason;
        throw new CodedError('QUERY_TIMEOUT', { cause: error, details: { statement: name } });
      }
    },
    kill: (target) => track(killIn(control, target)),
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

/**
 * ASYNC, again until no statement is left that fits: SYNC waits in one request for as long as the slowest takes to end,
 * and never comes back in chDB 26.7. (The chDB front answers when all has ended, with no rows.)
 */
async function killIn(control: ClickHouseClient, target: KillTarget): Promise<void> {
  const { query, query_params } = killStatement(target);
  const abort_signal = AbortSignal.timeout(killTimeoutMs);
  try {
    for (;;) {
      const killed = await control.query({ query, query_params, abort_signal, format: 'JSONEachRow' });
      if ((await killed.json<unknown>()).length === 0) return;
      await sleep(killPollMs, undefined, { signal: abort_signal });
    }
  } catch (error) {
    throw warehouseError(error, 'kill_query');
  }
}

function killStatement(target: KillTarget): { query: string; query_params: Record<string, string> } {
  if ('id' in target) {
    return { query: 'KILL QUERY WHERE query_id = {id:String} ASYNC', query_params: { id: target.id } };
  }
  const { prefix, matching } = target;
  const also = matching === undefined ? '' : ' AND match(query_id, {matching:String})';
  return {
    query: `KILL QUERY WHERE startsWith(query_id, {prefix:String})${also} ASYNC`,
    query_params: { prefix, ...(matching === undefined ? {} : { matching }) },
  };
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
