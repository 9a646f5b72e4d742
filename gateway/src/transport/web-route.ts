import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A handler of the Fetch API on a node:http server, for requests without a body. The answer is streamed with backpressure. */
export function webRoute(
  handler: (request: Request) => Promise<Response>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers))
      if (value !== undefined && !name.startsWith(':'))
        headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    const { method = 'GET' } = incoming;
    // The host is nobody's business here, and what a client sends as one may be no URL.
    const answer = await handler(
      new Request(new URL(incoming.url ?? '/', 'http://gateway.internal'), { method, headers }),
    );
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body === null) return void outgoing.end();
    try {
      await pipeline(Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]), outgoing);
    } catch (error) {
      // A client that left in the middle is no fault; its file is gone on with by a range.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
  };
}
