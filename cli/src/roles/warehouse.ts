import { join } from 'node:path';
import { createOpsHandler } from '@tributary/platform/ops-server';
import { startChdbServer } from '@tributary/platform/warehouse/chdb-server';
import type { Ports } from '../ports.ts';
import type { RunningRole } from '../role.ts';

/** The embedded warehouse: chDB behind ClickHouse's HTTP interface. Never used where a ClickHouse URL is set. */
export async function startWarehouseRole(ports: Ports): Promise<RunningRole> {
  const { config, logger, metrics } = ports;
  const ready = async () => ({ ok: true, checks: { engine: 'ok' } });
  const server = await startChdbServer({
    dir: join(config.dataDir, 'warehouse'),
    port: config.ports.warehouse,
    memoryBytes: config.warehouse.memoryBytes,
    logger,
    opsHandler: createOpsHandler({ role: 'warehouse', ready, metrics }),
  });
  ports.disposal.add('chDB', () => server.dispose());
  return { name: 'warehouse', urls: { warehouse: server.url }, ready, dispose: () => server.dispose() };
}
