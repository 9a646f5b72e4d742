import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { limits } from '@tributary/schema';

/** Health, readiness and metrics, as the platform's ops server answers them. */
export type OpsHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

export const opsPaths: ReadonlySet<string> = new Set(['/health', '/ready', '/metrics']);

export const serverOptions: ServerOptions = {
  maxHeaderSize: limits.headerBytes,
  headersTimeout: 10_000,
  /** Of the whole request with its body. */
  requestTimeout: limits.bodyTimeoutMs,
  /** Above the usual 60 s of load balancers, so that they are the side that closes. */
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** Resolves with the address to reach it on from this host. Rejects when the port can't be had. */
export function listenOn(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const { address, port: bound } = server.address() as AddressInfo;
      const anywhere = address === '0.0.0.0' || address === '::';
      const name = anywhere ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address;
      resolve(`http://${name}:${bound}`);
    });
  });
}

/** Takes no new connection, lets running requests end within `graceMs`, then cuts. */
export function stopServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    // A kept-alive connection whose last request ends after `close` would otherwise stay for its whole idle time.
    const sweeper = setInterval(() => server.closeIdleConnections(), 20);
    server.close(() => {
      clearTimeout(timer);
      clearInterval(sweeper);
      resolve();
    });
    server.closeIdleConnections();
  });
}
