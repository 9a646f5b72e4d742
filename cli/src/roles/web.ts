import { createStaticServer } from '@tributary/gateway';
import { createOpsHandler } from '@tributary/platform/ops-server';
import { consoleDir, ensureConsole } from '../console-build.ts';
import type { Ports } from '../ports.ts';
import type { RunningRole } from '../role.ts';

/**
 * The console's files alone, built when they are not there. A proxy puts them on one origin with the gateway
 * (`/graphql` and `/session` go there), or the gateway serves them itself.
 */
export async function startWebRole(ports: Ports): Promise<RunningRole> {
  const { config, logger, metrics } = ports;
  await ensureConsole(logger);
  const ready = async () => ({ ok: true, checks: { files: 'ok' } });
  const server = await createStaticServer({
    dir: consoleDir,
    host: config.host,
    port: config.ports.web,
    opsHandler: createOpsHandler({ role: 'web', ready, metrics }),
  });
  ports.disposal.add('static server', () => server.dispose());
  return { name: 'web', urls: { web: server.url }, ready, dispose: () => server.dispose() };
}
