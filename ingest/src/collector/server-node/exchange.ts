import type { Socket } from 'node:net';
import { CodedError } from '@tributary/schema';
import { actualEncoding, type Encoding, unpack } from '../body.ts';
import type { CollectorResponse } from '../core.ts';
import { clientAddress } from '../ip.ts';
import {
  type ByteBudget,
  createByteBudget,
  createDeadlines,
  createHoldings,
  createRequestIds,
  type Deadlines,
  faultResponse,
  type Holdings,
  type ServerLimits,
  type ServerOptions,
} from '../server.ts';

/** What all requests of a server share. */
export interface Shared {
  readonly options: ServerOptions;
  readonly bounds: ServerLimits;
  readonly nextId: () => string;
  readonly holdings: Holdings;
  readonly budget: ByteBudget;
  readonly deadlines: Deadlines<Exchange>;
  readonly connections: Map<Socket, Connection>;
  isDraining: boolean;
}

export interface Connection {
  /** Under way. */
  requests: number;
}

/** One request, until it is answered. */
export interface Exchange {
  readonly shared: Shared;
  readonly connection: Connection;
  readonly requestId: string;
  readonly method: string;
  readonly url: string;
  /** By its lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly peer: string | undefined;
  /** Writes the answer. Called once at most; may throw. */
  readonly write: (answer: CollectorResponse) => void;
  /** Ends a connection that can't be answered on. */
  readonly destroy: () => void;
  /** Bytes of the body that count against the budget until the answer. */
  held: number;
  isAnswered: boolean;
}

export function sharedOf(options: ServerOptions, bounds: ServerLimits): Shared {
  return {
    options,
    bounds,
    nextId: createRequestIds(),
    holdings: createHoldings(bounds, options.isTrustedProxy),
    budget: createByteBudget(bounds.bodyBytesUnderWay),
    deadlines: createDeadlines(bounds.bodyTimeoutMs, (exchange) => fail(exchange, new CodedError('BODY_TIMEOUT'))),
    connections: new Map(),
    isDraining: false,
  };
}

/** A body that is all there, as it was sent. Never throws. */
export function takeBody(exchange: Exchange, sent: Uint8Array, labelled: Encoding | null): void {
  const encoding = actualEncoding(sent, labelled);
  if (encoding === null) handOver(exchange, sent);
  else
    unpack(sent, encoding).then(
      (body) => handOver(exchange, body),
      (error) => fail(exchange, error),
    );
}

/** Never throws: a fault becomes an answer. */
export function handOver(exchange: Exchange, body: Uint8Array): void {
  const { shared, requestId, method, url, header, peer } = exchange;
  const { options } = shared;
  const mark = url.indexOf('?');
  try {
    options.answer(
      {
        method,
        path: mark < 0 ? url : url.slice(0, mark),
        query: mark < 0 ? '' : url.slice(mark + 1),
        authorization: header('authorization'),
        header,
        userAgent: header('user-agent') ?? null,
        body,
        remoteAddress: clientAddress(peer, header('x-forwarded-for'), options.isTrustedProxy),
        receivedAt: options.now(),
        requestId,
      },
      (answer) => finish(exchange, answer),
    );
  } catch (error) {
    fail(exchange, error);
  }
}

export function fail(exchange: Exchange, error: unknown): void {
  finish(exchange, faultResponse(exchange.shared.options.logger, error, exchange));
}

/** Answers once. Never throws: where no answer can be written, the connection ends. */
export function finish(exchange: Exchange, answer: CollectorResponse): void {
  const { shared, connection } = exchange;
  if (exchange.isAnswered) return;
  exchange.isAnswered = true;
  shared.budget.give(exchange.held);
  connection.requests -= 1;
  try {
    exchange.write(answer);
  } catch (error) {
    shared.options.logger.error({ err: error, requestId: exchange.requestId }, 'an answer could not be written');
    exchange.destroy();
  }
}
