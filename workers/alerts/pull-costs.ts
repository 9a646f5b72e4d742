import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import { CodedError, costImportLimits, type ErrorCode, unsealText } from '@tributary/schema';
import { type CostTableRow, parseCostTable } from '@tributary/subgraphs/campaigns/domain';
import type { Outbound } from './outbound.ts';
import type { CostImportStore, DueCostImport } from './stores.ts';

export interface PullDeps {
  readonly costImports: CostImportStore;
  readonly outbound: Outbound;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signingSecret: string;
}

/** A source whose puller died is taken by another after so long; a failed one is tried again then. */
const leaseMs = 900_000;

/** Pulls every source whose time has come. Returns how many were read, well or not. */
export async function pullDueCosts(deps: PullDeps, stopped: () => boolean): Promise<number> {
  let pulled = 0;
  while (!stopped()) {
    const source = await deps.costImports.claimDue(deps.clock.now(), leaseMs);
    if (!source) return pulled;
    pulled += 1;
    await pull(deps, source);
  }
  return pulled;
}

async function pull(deps: PullDeps, source: DueCostImport): Promise<void> {
  const { costImports, clock, logger } = deps;
  const said = () => {
    if (source.jobId === null) return;
    deps.liveBus.publish('job.progress', { tenantId: source.tenantId, jobId: source.jobId, at: clock.now() });
  };
  said();
  try {
    const read = await readSource(deps, source);
    if (typeof read === 'string') await costImports.fail(source, { code: 'BAD_USER_INPUT', text: read }, clock.now());
    else await costImports.succeed(source, read, clock.now());
  } catch (error) {
    const coded = error instanceof CodedError ? error : null;
    const own: readonly ErrorCode[] = ['BAD_USER_INPUT', 'NOT_FOUND'];
    if (!coded || !own.includes(coded.code)) {
      logger.warn({ err: error, importId: source.importId }, 'costs could not be pulled; it is tried again');
      throw error;
    }
    await costImports.fail(source, { code: coded.code, text: coded.message }, clock.now());
  } finally {
    said();
  }
}

/** The rows, or what is wrong with the source: fit for its owner. */
async function readSource(deps: PullDeps, source: DueCostImport): Promise<readonly CostTableRow[] | string> {
  const headers: Record<string, string> = {};
  if (source.headerName !== null && source.headerSealed !== null) {
    const value = unsealText(source.headerSealed, deps.signingSecret);
    if (value === null) return 'the header’s value can’t be read any more; give it again';
    headers[source.headerName] = value;
  }
  const answer = await deps.outbound({
    url: source.url,
    method: 'GET',
    headers,
    timeoutMs: costImportLimits.timeoutMs,
    maxBytes: costImportLimits.bytes,
    redirects: costImportLimits.redirects,
  });
  if (!answer.ok) return answer.reason;
  if (answer.status !== 200) return `the source answered ${answer.status}`;
  const table = parseCostTable(answer.body, source.format, source.mapping);
  if (table.ok) return table.rows;
  return table.faults
    .slice(0, 5)
    .map(({ place, message }) => `${place}: ${message}`)
    .join('; ');
}
