import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';
import type { ReportPlan } from './domain/report-plan.ts';

export const exportFormats = ['NDJSON', 'CSV', 'PARQUET'] as const;
export type ExportFormat = (typeof exportFormats)[number];
export type ExportState = 'QUEUED' | 'RUNNING' | 'DONE' | 'FAILED';

/** One export, as its latest row says. */
export interface ExportJob {
  readonly jobId: string;
  readonly tenantId: string;
  readonly state: ExportState;
  readonly format: ExportFormat;
  /** What was asked, checked then, with the rights that its caller had. */
  readonly plan: ReportPlan;
  readonly requestHash: string;
  /** How often it was begun. */
  readonly attempt: number;
  readonly bytesDone: number;
  /** Of the error catalogue; '' unless it failed. */
  readonly errorCode: string;
  readonly version: number;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

const latest = `
    SELECT job_id AS jobId, tenant_id AS tenantId, argMax(j.state, version) AS stateNow, argMax(j.format, version) AS formatNow,
      argMax(j.request, version) AS requestNow, argMax(j.request_hash, version) AS requestHash, argMax(j.attempt, version) AS attemptNow,
      toFloat64(argMax(j.bytes_done, version)) AS bytesDone, argMax(j.error_code, version) AS errorCode, toFloat64(max(version)) AS versionNow,
      toFloat64(toUnixTimestamp64Milli(min(j.created_at))) AS createdAt, toFloat64(toUnixTimestamp64Milli(argMax(j.updated_at, version))) AS updatedAt
    FROM export_jobs AS j`;
const row = z.object({
  jobId: z.string(),
  tenantId: z.string(),
  stateNow: z.enum(['QUEUED', 'RUNNING', 'DONE', 'FAILED']),
  formatNow: z.enum(exportFormats),
  requestNow: z.string(),
  requestHash: z.string(),
  attemptNow: z.number(),
  bytesDone: z.number(),
  errorCode: z.string(),
  versionNow: z.number(),
  createdAt: z.number(),
  updatedAt: z.number(),
});

/** Grain: job. Ordering key: tenant, job. Scan: the rows of one job. */
export const exportJobQuery = defineQuery({
  name: 'events_export_job',
  sql: `${latest}
    WHERE tenant_id = {tenantId:String} AND job_id = {jobId:String}
    GROUP BY tenant_id, job_id
    HAVING JSONExtractString(requestNow, 'partnerId') = {partnerId:String}`,
  params: z.object({ tenantId: z.string().min(1), partnerId: z.string(), jobId: z.string().min(1) }),
  row,
});

/** Grain: job. Ordering key: tenant, job. Scan: the month's jobs. */
export const unfinishedExportsQuery = defineQuery({
  name: 'events_unfinished_exports',
  tenantFree: 'whoever runs exports takes up what a process that died left, of all tenants',
  sql: `${latest}
    WHERE created_at >= ${timeParam('fromMs')}
    GROUP BY tenant_id, job_id
    HAVING stateNow IN ('QUEUED', 'RUNNING') AND argMax(j.updated_at, version) < ${timeParam('staleMs')}
    ORDER BY createdAt
    LIMIT 100`,
  params: z.object({ fromMs: z.number(), staleMs: z.number() }),
  row,
});

const jobOf = (found: z.output<typeof row>): ExportJob => ({
  jobId: found.jobId,
  tenantId: found.tenantId,
  state: found.stateNow,
  format: found.formatNow,
  plan: JSON.parse(found.requestNow) as ReportPlan,
  requestHash: found.requestHash,
  attempt: found.attemptNow,
  bytesDone: found.bytesDone,
  errorCode: found.errorCode,
  version: found.versionNow,
  createdAt: found.createdAt,
  updatedAt: found.updatedAt,
});

export interface ExportStore {
  /** Of that partner; '' = of the organisation itself. */
  read(tenantId: string, partnerId: string, jobId: string): Promise<ExportJob | null>;
  /** Jobs that aren't at their end and that nobody touched since. */
  readUnfinished(createdFromMs: number, untouchedSinceMs: number): Promise<readonly ExportJob[]>;
  write(job: ExportJob): Promise<void>;
}

export function createExportStore(warehouse: Warehouse): ExportStore {
  return {
    async read(tenantId, partnerId, jobId) {
      const [found] = await warehouse.query(exportJobQuery, { tenantId, partnerId, jobId });
      return found ? jobOf(found) : null;
    },
    async readUnfinished(fromMs, staleMs) {
      return (await warehouse.query(unfinishedExportsQuery, { fromMs, staleMs })).map(jobOf);
    },
    write: (job) =>
      warehouse.insertRows({
        name: 'events_export_job_write',
        table: 'export_jobs',
        rows: [
          {
            tenant_id: job.tenantId,
            app_id: job.plan.apps[0]?.appId ?? '',
            job_id: job.jobId,
            version: job.version,
            state: job.state,
            format: job.format,
            request: JSON.stringify(job.plan),
            request_hash: job.requestHash,
            attempt: job.attempt,
            bytes_done: job.bytesDone,
            error_code: job.errorCode,
            created_at: job.createdAt,
            updated_at: job.updatedAt,
          },
        ],
      }),
  };
}
