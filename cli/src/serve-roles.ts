import type { ReadyReport } from '@tributary/platform/ops-server';
import { createOpsHandler, serveOps } from '@tributary/platform/ops-server';
import { CodedError, type Config, subgraphNames } from '@tributary/schema';
import { createPorts, type Ports } from './ports.ts';
import { type RunningRole, untilStopped } from './role.ts';
import { hasWorkers, startCollectorWorkers, workerRole } from './roles/collector-workers.ts';
import { readyMessage } from './supervisor.ts';

/** Role names that `--role` takes, beside `all`. */
export const roleNames = [
  'warehouse',
  'collector',
  'consumer',
  'attribution',
  'predictions',
  ...subgraphNames.map((name) => `subgraph:${name}` as const),
  'gateway',
  'web',
] as const;
export type RoleName = (typeof roleNames)[number] | typeof workerRole;

/** Roles that have a port of their own for health, readiness and metrics. */
const ownPort = new Set<RoleName>([
  workerRole,
  'warehouse',
  'collector',
  'gateway',
  'web',
  ...subgraphNames.map((name) => `subgraph:${name}` as const),
]);

/** Parses `a,b,c`. Throws CONFIG_INVALID naming every unknown role. */
export function parseRoles(text: string): readonly RoleName[] {
  const given = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  const unknown = given.filter((name) => name !== workerRole && !(roleNames as readonly string[]).includes(name));
  if (unknown.length > 0 || given.length === 0) {
    throw new CodedError('CONFIG_INVALID', {
      message: `Unknown role: ${unknown.join(', ') || '(none given)'}. There are: all, ${roleNames.join(', ')}.`,
    });
  }
  return given as RoleName[];
}

/** Each role is imported when it is started, so that a collector does not load the graph. */
async function startRole(
  ports: Ports,
  name: RoleName,
  family: () => ReadyReport | null,
  overlay: Readonly<Record<string, string>>,
): Promise<RunningRole> {
  switch (name) {
    case 'warehouse':
      return (await import('./roles/warehouse.ts')).startWarehouseRole(ports);
    case 'collector':
      if (hasWorkers(ports.config)) return startCollectorWorkers(ports, family, overlay);
      return (await import('./roles/ingest.ts')).startCollectorRole(ports, family);
    case workerRole:
      return (await import('./roles/ingest.ts')).startCollectorWorkerRole(ports);
    case 'consumer':
      return (await import('./roles/ingest.ts')).startConsumerRole(ports);
    case 'attribution':
    case 'predictions':
      return (await import('./roles/workers.ts')).startWorkerRole(ports, name);
    case 'gateway':
      return (await import('./roles/gateway.ts')).startGatewayRole(ports);
    case 'web':
      return (await import('./roles/web.ts')).startWebRole(ports);
    default:
      return (await import('./roles/subgraphs.ts')).startSubgraphRole(
        ports,
        name.slice('subgraph:'.length) as (typeof subgraphNames)[number],
      );
  }
}

/**
 * Runs the given roles in this process until a signal comes or the parent is gone, then drains and releases in reverse
 * order. `overlay` holds the variables that the command line set, for the processes that a role starts. A role that can't start ends the process with what was started before it released.
 */
export async function serveRoles(
  config: Config,
  names: readonly RoleName[],
  overlay: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ports = createPorts(config, names.join(','));
  // A supervised child says of itself what the family says, once it was told.
  let familyReport: ReadyReport | null = process.send ? { ok: false, checks: { family: 'starting' } } : null;
  process.on('message', (message) => {
    const { kind, report } = message as { kind?: string; report?: ReadyReport };
    if (kind === 'family-ready' && report) familyReport = report;
  });
  const stopped = untilStopped();
  try {
    const running: RunningRole[] = [];
    for (const name of names) running.push(await startRole(ports, name, () => familyReport, overlay));
    if (!names.some((name) => ownPort.has(name)) && !process.send) await serveOwnOps(ports, running);
    const urls = Object.assign({}, ...running.map((role) => role.urls)) as Record<string, string>;
    ports.logger.info({ urls }, `ready: ${names.join(', ')}`);
    process.send?.({ ...readyMessage, urls });
    ports.logger.info({ reason: await stopped }, 'stopping');
  } finally {
    await ports.disposal.dispose();
  }
}

async function serveOwnOps(ports: Ports, running: readonly RunningRole[]): Promise<void> {
  const { config, metrics, logger } = ports;
  const ready = async (): Promise<ReadyReport> => {
    const reports = await Promise.all(running.map((role) => role.ready()));
    return {
      ok: reports.every((report) => report.ok),
      checks: Object.assign({}, ...reports.map((report) => report.checks)) as Record<string, string>,
    };
  };
  const ops = await serveOps({
    host: config.host,
    port: config.ports.ops,
    handler: createOpsHandler({ role: running.map((role) => role.name).join(','), ready, metrics }),
  });
  ports.disposal.add('ops server', () => ops.dispose());
  logger.info({ url: ops.url }, 'health, readiness and metrics');
}
