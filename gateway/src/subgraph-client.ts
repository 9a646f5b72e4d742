import { CodedError } from '@tributary/schema';
import type { FormattedExecutionResult } from 'graphql';

/** One operation for one subgraph. */
export interface SubgraphRequest {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly operationName?: string | undefined;
  /** Signed caller (schema/src/caller.ts), sent as `extensions.caller`; null only for `_service { sdl }`. */
  readonly callerToken: string | null;
  readonly requestId: string;
  /** Aborted when the caller has gone. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The gateway's door to one subgraph, the same for one in this process and one behind HTTP.
 *
 * - `execute` resolves for every answer, errors included. What the transport itself does wrong comes back as an error coded
 *   SUBGRAPH_UNAVAILABLE or QUERY_TIMEOUT; it never rejects.
 * - `subscribe` yields in the subgraph's order. `return()` ends the upstream at once, also while a `next()` is pending. A lost
 *   connection rejects the pending `next()` with CodedError SUBGRAPH_UNAVAILABLE; nothing is retried silently, because what fell
 *   into the gap can't be known here.
 * - `sdl` rejects with CodedError SUBGRAPH_UNAVAILABLE while the subgraph can't be reached.
 * - `dispose` ends everything that still runs; idempotent.
 */
export interface SubgraphClient {
  readonly name: string;
  /** Whether the SDL can change while the gateway runs. */
  readonly remote: boolean;
  execute(request: SubgraphRequest): Promise<FormattedExecutionResult>;
  subscribe(request: SubgraphRequest): AsyncIterableIterator<FormattedExecutionResult>;
  sdl(): Promise<string>;
  /** Tells of faults whose cause callers do not see (in this process only; a remote subgraph logs its own). */
  onUnexpectedError?(report: (error: unknown, request: SubgraphRequest) => void): void;
  dispose(): Promise<void>;
}

/** Why a request was aborted: a coded reason (QUERY_TIMEOUT) as it is, a caller that left as SUBGRAPH_UNAVAILABLE. */
export function reasonOf(signal: AbortSignal): CodedError {
  return signal.reason instanceof CodedError ? signal.reason : new CodedError('SUBGRAPH_UNAVAILABLE');
}
