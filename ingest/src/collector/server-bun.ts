import { CodedError, limits } from '@tributary/schema';
import { actualEncoding, encodingOf, tooLarge, unpack } from './body.ts';
import { type CollectorResponse, takesBody } from './core.ts';
import { clientAddress } from './ip.ts';
import {
  type AskedRequest,
  type ByteBudget,
  type CollectorServer,
  corsHeaders,
  createByteBudget,
  createDeadlines,
  createHoldings,
  createRequestIds,
  type Deadlines,
  defaultServerLimits,
  faultResponse,
  type Holdings,
  preflightHeaders,
  readOnOf,
  type ServerLimits,
  type ServerOptions,
  tooManyHeaders,
  tooMuchUnderWay,
  urlOf,
} from './server.ts';

/** What is used of Bun's HTTP server (https://bun.com/docs/api/http). Its own types would replace Node's. */
interface BunServer {
  readonly port: number;
  requestIP(request: Request): { readonly address: string } | null;
  stop(closeActive?: boolean): Promise<void>;
}
interface BunRuntime {
  serve(options: {
    readonly hostname: string;
    readonly port: number;
    readonly reusePort: boolean;
    /** Seconds, at most 255. */
    readonly idleTimeout: number;
    readonly maxRequestBodySize: number;
    readonly fetch: (request: Request, server: BunServer) => Response | Promise<Response>;
  }): BunServer;
}

/** Whether this process runs under Bun. */
export const isBun = 'Bun' in globalThis;

/**
 * The collector over Bun's own HTTP server. It sees requests, not connections: the limits of connections bound requests under
 * way, and a connection whose head does not arrive is closed by Bun after its own 10 seconds.
 */
export const bunServer: CollectorServer = {
  async listen(options) {
    const bounds = { ...defaultServerLimits, ...options.limits };
    const shared = sharedOf(options, bounds);
    const { Bun: runtime } = globalThis as unknown as { readonly Bun: BunRuntime };
    const server = runtime.serve({
      hostname: options.host,
      port: options.port,
      reusePort: options.reusePort ?? false,
      idleTimeout: Math.min(255, Math.ceil(bounds.idleTimeoutMs / 1_000)),
      // Sizes are checked here, so that the answer says what is wrong.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: (request, from) => takeRequest(shared, request, from),
    });
    return {
      url: urlOf(options.host, server.port),
      async dispose() {
        shared.isDraining = true;
        void server.stop();
        await untilAnswered(shared);
        shared.deadlines.dispose();
        await server.stop(true);
      },
    };
  },
};

interface Shared {
  readonly options: ServerOptions;
  readonly bounds: ServerLimits;
  readonly nextId: () => string;
  readonly holdings: Holdings;
  readonly budget: ByteBudget;
  readonly deadlines: Deadlines<Exchange>;
  isDraining: boolean;
}

/** One request, until it is answered. */
interface Exchange {
  readonly shared: Shared;
  readonly request: Request;
  readonly address: string;
  readonly requestId: string;
  readonly resolve: (response: Response) => void;
  held: number;
  /** The request's body is here, or it has none that is read. */
  isReceived: boolean;
  isAnswered: boolean;
}

function sharedOf(options: ServerOptions, bounds: ServerLimits): Shared {
  return {
    options,
    bounds,
    nextId: createRequestIds(),
    holdings: createHoldings(bounds, options.isTrustedProxy),
    budget: createByteBudget(bounds.bodyBytesUnderWay),
    deadlines: createDeadlines(bounds.bodyTimeoutMs, (exchange) => fail(exchange, new CodedError('BODY_TIMEOUT'))),
    isDraining: false,
  };
}

/** Requests under way get time to end. */
async function untilAnswered({ holdings }: Shared): Promise<void> {
  const giveUpAt = performance.now() + 5_000;
  while (holdings.count() > 0 && performance.now() < giveUpAt) await new Promise((resolve) => setTimeout(resolve, 5));
  // The last answers are given to the runtime by now; a turn lets it write them.
  await new Promise((resolve) => setTimeout(resolve, 20));
}

function takeRequest(shared: Shared, request: Request, server: BunServer): Promise<Response> {
  return new Promise((resolve) => {
    const address = server.requestIP(request)?.address ?? '';
    const requestId = shared.nextId();
    if (!shared.holdings.take(address)) {
      const refusal = faultResponse(shared.options.logger, tooMuchUnderWay(), askedOf(request, requestId));
      return resolve(responseOf(refusal, requestId, true));
    }
    const exchange: Exchange = {
      shared,
      request,
      address,
      requestId,
      resolve,
      held: 0,
      isReceived: true,
      isAnswered: false,
    };
    try {
      route(exchange);
    } catch (error) {
      fail(exchange, error);
    }
  });
}

function route(exchange: Exchange): void {
  const { shared, request } = exchange;
  const { method, url } = request;
  const pathAt = url.indexOf('/', url.indexOf('//') + 2);
  const mark = url.indexOf('?', pathAt);
  const path = mark < 0 ? url.slice(pathAt) : url.slice(pathAt, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  if (countOf(request.headers) > shared.bounds.headerCount) throw tooManyHeaders(shared.bounds.headerCount);
  const answering = shared.options.ops(method, path);
  if (answering !== null) {
    answering.then(
      (answer) => finish(exchange, answer),
      (error) => fail(exchange, error),
    );
  } else if (method === 'OPTIONS') finish(exchange, { status: 204, headers: preflightHeaders, body: '' });
  else if (method === 'POST' && takesBody(path)) {
    receive(exchange).then(
      (body) => handOver(exchange, path, query, body),
      (error) => fail(exchange, error),
    );
  } else handOver(exchange, path, query, noBody);
}

function countOf(headers: Headers): number {
  return (headers as unknown as { readonly count?: number }).count ?? [...headers].length;
}

const noBody = new Uint8Array();

async function receive(exchange: Exchange): Promise<Uint8Array> {
  const { request, shared } = exchange;
  exchange.isReceived = false;
  const labelled = encodingOf(request.headers.get('content-encoding'));
  const length = request.headers.get('content-length');
  if (Number(length ?? 0) > limits.batchBytes) throw tooLarge();
  shared.deadlines.add(exchange);
  const sent = length === null ? await collect(exchange) : await whole(exchange, Number(length));
  exchange.isReceived = true;
  shared.deadlines.delete(exchange);
  const encoding = actualEncoding(sent, labelled);
  return encoding === null ? sent : unpack(sent, encoding);
}

/** A body of a known length. */
async function whole(exchange: Exchange, length: number): Promise<Uint8Array> {
  if (!exchange.shared.budget.take(length)) throw tooMuchUnderWay();
  exchange.held = length;
  try {
    return new Uint8Array(await exchange.request.arrayBuffer());
  } catch (cause) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body was cut off.', cause });
  }
}

/** A body that does not say its length is read as it comes, no further than the limit. */
async function collect(exchange: Exchange): Promise<Uint8Array> {
  const { request, shared } = exchange;
  if (request.body === null) return noBody;
  const chunks: Uint8Array[] = [];
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new CodedError('BODY_UNPARSABLE', { message: 'The body was cut off.', cause });
    });
    if (done) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, exchange.held);
    const refusal = exchange.isAnswered || !shared.budget.take(value.length) ? tooMuchUnderWay() : null;
    if (refusal === null) exchange.held += value.length;
    if (refusal !== null || exchange.held > limits.batchBytes) {
      reader.releaseLock();
      throw refusal ?? tooLarge();
    }
    chunks.push(value);
  }
}

function handOver(exchange: Exchange, path: string, query: string, body: Uint8Array): void {
  const { request, requestId, shared, address } = exchange;
  const { headers, method } = request;
  const { options } = shared;
  if (exchange.isAnswered) return;
  try {
    options.answer(
      {
        method,
        path,
        query,
        authorization: headers.get('authorization') ?? undefined,
        header: (name) => headers.get(name) ?? undefined,
        userAgent: headers.get('user-agent'),
        body,
        remoteAddress: clientAddress(
          address === '' ? undefined : address,
          headers.get('x-forwarded-for') ?? undefined,
          options.isTrustedProxy,
        ),
        receivedAt: options.now(),
        requestId,
      },
      (answer) => finish(exchange, answer),
    );
  } catch (error) {
    fail(exchange, error);
  }
}

function askedOf({ method, url, headers }: Request, requestId: string): AskedRequest {
  return { requestId, method, url, header: (name) => headers.get(name) ?? undefined };
}

function fail(exchange: Exchange, error: unknown): void {
  if (exchange.isAnswered) return;
  const { request, requestId, shared } = exchange;
  finish(exchange, faultResponse(shared.options.logger, error, askedOf(request, requestId)));
}

function finish(exchange: Exchange, answer: CollectorResponse): void {
  const { shared } = exchange;
  if (exchange.isAnswered) return;
  exchange.isAnswered = true;
  shared.deadlines.delete(exchange);
  shared.budget.give(exchange.held);
  if (exchange.isReceived) conclude(exchange, answer);
  // Bun closes the connection with the answer of one that is to be closed, whatever is still being sent.
  else
    discardRest(exchange).then((isWhole) => {
      exchange.isReceived = isWhole;
      conclude(exchange, answer);
    });
}

function conclude({ shared, address, requestId, resolve, isReceived }: Exchange, answer: CollectorResponse): void {
  shared.holdings.give(address);
  resolve(responseOf(answer, requestId, shared.isDraining || !isReceived));
}

/** Whether the body ended within what a refused one is read on. Never rejects. */
async function discardRest({ request, shared }: Exchange): Promise<boolean> {
  // Being read already, which is to say that it came too slowly or was cut off.
  if (request.body === null || request.body.locked) return false;
  const { bytes, ms } = readOnOf(request.headers.get('content-length'), shared.bounds);
  let left = bytes;
  let end: NodeJS.Timeout | undefined;
  try {
    const reader = request.body.getReader();
    end = setTimeout(() => {
      left = -1;
      void reader.cancel().catch(() => undefined);
    }, ms);
    while (left >= 0) {
      const { done, value } = await reader.read();
      if (done) return left >= 0;
      left -= value.length;
    }
    return false;
  } catch {
    return false;
  } finally {
    clearTimeout(end);
  }
}

function responseOf(answer: CollectorResponse, requestId: string, close: boolean): Response {
  const { status, headers, body, bytes } = answer;
  return new Response(status === 204 ? null : (bytes ?? body), {
    status,
    headers: { ...corsHeaders, 'x-request-id': requestId, ...headers, ...(close ? { connection: 'close' } : {}) },
  });
}
