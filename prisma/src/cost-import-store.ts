import { CodedError, type CostMapping, costMappingSchema, type ErrorCode } from '@tributary/schema';
import { recordAudit } from './audit.ts';
import { withChange } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';
import { campaignsByName, writeCosts } from './commands/cost-rows.ts';
import { claimJob, reportJob } from './jobs.ts';

/** A source that is to be pulled now. */
export interface DueCostImport {
  readonly importId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly url: string;
  readonly format: 'CSV' | 'JSON';
  readonly mapping: CostMapping;
  readonly headerName: string | null;
  /** Sealed by the installation's secret. */
  readonly headerSealed: string | null;
  /** The job that asked for it; null = the schedule. */
  readonly jobId: string | null;
}

/** A row as the source has it: a campaign by id or by name. */
export interface PulledCost {
  readonly campaign: string;
  readonly day: string;
  readonly amount: string;
  readonly currency: string | null;
}

/** What the puller of costs keeps in the relational store. */
export interface CostImportStore {
  /** Takes one source whose time has come, or that a job asks for; no other puller gets it for `leaseMs`. Null = none. */
  claimDue(now: number, leaseMs: number): Promise<DueCostImport | null>;
  /** Writes the rows, all or none, the result, and the end of its job. Returns how many rows. Throws BAD_USER_INPUT, NOT_FOUND. */
  succeed(source: DueCostImport, rows: readonly PulledCost[], now: number): Promise<number>;
  fail(source: DueCostImport, fault: { readonly code: ErrorCode; readonly text: string }, now: number): Promise<void>;
}

/** @example const worker = createAlertWorker({ ...deps, costImports: createCostImportStore(relational) }); */
export function createCostImportStore(relational: Relational): CostImportStore {
  const { client } = relational;

  async function endJob(source: DueCostImport, report: Omit<Parameters<typeof reportJob>[1], 'tenantId' | 'jobId'>) {
    if (source.jobId === null) return;
    await reportJob(relational, { tenantId: source.tenantId, jobId: source.jobId, ...report });
  }

  /** Writes down how it went, and when it runs next: by the interval as it is now. */
  async function finish(
    reader: RelationalReader,
    { importId, tenantId }: DueCostImport,
    now: number,
    lastResult: { readonly ok: boolean; readonly rows: number; readonly message: string | null },
  ): Promise<void> {
    await reader.$executeRaw`
      UPDATE "CostImport" SET "lastRunAt" = ${new Date(now)}, "lastResult" = ${JSON.stringify(lastResult)}::jsonb,
        "nextRunAt" = ${new Date(now)}::timestamp + make_interval(mins => "intervalMinutes")
      WHERE "id" = ${importId} AND "tenantId" = ${tenantId}`;
  }

  async function claimScheduled(now: number, leaseMs: number): Promise<string | null> {
    return relational.transact(async (tx) => {
      const [due] = await tx.$queryRaw<{ id: string }[]>`
        SELECT "id" FROM "CostImport" WHERE "enabled" AND "archivedAt" IS NULL AND "nextRunAt" <= ${new Date(now)}
        ORDER BY "nextRunAt", "id" LIMIT 1 FOR UPDATE SKIP LOCKED`;
      if (!due) return null;
      await tx.costImport.updateMany({ where: { id: due.id }, data: { nextRunAt: new Date(now + leaseMs) } });
      return due.id;
    });
  }

  async function read(importId: string, tenantId: string | null, jobId: string | null): Promise<DueCostImport | null> {
    const row = await client.costImport.findFirst({
      where: { id: importId, ...(tenantId === null ? {} : { tenantId }) },
    });
    if (!row) return null;
    const { id, name, url, format, headerName, headerSealed } = row;
    const mapping = costMappingSchema.parse(row.mapping);
    return { importId: id, tenantId: row.tenantId, name, url, format, mapping, headerName, headerSealed, jobId };
  }

  return {
    async claimDue(now, leaseMs) {
      const job = await claimJob(relational, 'COST_IMPORT', now, leaseMs);
      if (job) {
        const { importId } = job.input as { importId: string };
        return read(importId, job.tenantId, job.jobId);
      }
      const importId = await claimScheduled(now, leaseMs);
      return importId === null ? null : read(importId, null, null);
    },

    async succeed(source, rows, now) {
      const { importId, tenantId, mapping } = source;
      const written = await withChange(relational, ['mirrors'], async (tx) => {
        const reach = { tx, tenantId, appIds: null };
        const byName =
          mapping.campaignBy === 'NAME'
            ? await campaignsByName(
                reach,
                rows.map((row) => row.campaign),
              )
            : null;
        const resolved = rows.map(({ campaign, ...row }, place) => {
          const campaignId = byName ? byName.get(campaign) : campaign;
          if (campaignId) return { ...row, campaignId };
          const why = campaignId === null ? 'names several campaigns' : 'names no campaign of yours';
          throw new CodedError('BAD_USER_INPUT', {
            message: `row ${place + 1}: ${JSON.stringify(campaign.slice(0, 100))} ${why}`,
          });
        });
        const count = await writeCosts(reach, resolved, 'SET');
        await finish(tx, source, now, { ok: true, rows: count, message: null });
        const details = { rows: count, jobId: source.jobId };
        await recordAudit(tx, [
          { tenantId, actor: 'system', action: 'cost_import.pulled', subjectId: importId, details },
        ]);
        return count;
      });
      await endJob(source, { nowMs: now, status: 'SUCCEEDED', result: { rows: written } });
      return written;
    },

    async fail(source, fault, now) {
      await finish(client, source, now, { ok: false, rows: 0, message: fault.text });
      await endJob(source, { nowMs: now, status: 'FAILED', error: fault });
    },
  };
}
