import { createServer } from 'node:http';
import { listenOn, type OpsHandler, opsPaths, pathOf, serverOptions, stopServer } from '../transport/http-server.ts';
import { requestIdOf } from '../transport/respond.ts';
import { openStaticSite } from './static-site.ts';

export interface StaticServerDeps {
  readonly dir: string;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly opsHandler?: OpsHandler;
}

/** The console's files alone on a port of their own. Resolves when it listens; rejects when the directory or port can't be had. */
export async function createStaticServer(
  deps: StaticServerDeps,
): Promise<{ readonly url: string; dispose(): Promise<void> }> {
  const site = await openStaticSite({ dir: deps.dir });
  const server = createServer(serverOptions, (request, response) => {
    const requestId = requestIdOf(request);
    response.setHeader('x-request-id', requestId);
    if (deps.opsHandler && opsPaths.has(pathOf(request))) deps.opsHandler(request, response);
    else site.serve(request, response, requestId).catch(() => response.destroy());
  });
  const url = await listenOn(server, deps.host, deps.port);
  return { url, dispose: () => stopServer(server, 2_000) };
}
