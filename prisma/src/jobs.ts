import { CodedError, type ErrorCode, newId } from '@tributary/schema';
import { notFound } from './accounts.ts';
import { jsonOf } from './audit.ts';
import { nextSequence } from './changes.ts';
import type { Relational, RelationalReader } from './client.ts';

/** Work behind an answer, whose states can be followed: each is a row of a stream that `jobProgress` reads. */
export interface NewJob {
  readonly tenantId: string;
  /** null = of the organisation. */
  readonly appId: string | null;
  /** Upper case, e.g. `COST_IMPORT`; whoever does the work looks for it. */
  readonly kind: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** A key's or a member's id. */
  readonly createdBy: string;
  readonly nowMs: number;
}

/** Queues a job in the caller's transaction. Take it late: it locks the numbers of the stream until the commit. */
export async function createJob(tx: RelationalReader, job: NewJob): Promise<string> {
  const { nowMs, input, ...rest } = job;
  const at = new Date(nowMs);
  const id = newId('job');
  await tx.job.create({ data: { id, ...rest, input: jsonOf(input) as never, createdAt: at, updatedAt: at } });
  await recordStep(tx, { tenantId: job.tenantId, jobId: id, at, status: 'QUEUED', progress: 0, message: null });
  return id;
}

async function recordStep(
  tx: RelationalReader,
  step: {
    readonly tenantId: string;
    readonly jobId: string;
    readonly at: Date;
    readonly status: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED';
    readonly progress: number;
    readonly message: string | null;
  },
): Promise<void> {
  const sequence = await nextSequence(tx, 'jobs');
  await tx.jobStep.create({ data: { id: newId('job'), ...step, sequence } });
}

export interface JobReport {
  readonly tenantId: string;
  readonly jobId: string;
  readonly nowMs: number;
  /** 0…1; default what it is. */
  readonly progress?: number;
  /** For those who follow it. */
  readonly message?: string;
  readonly status?: 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  readonly result?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly text: string };
}

/**
 * Writes down a job's new state. A job that ended stays ended: CONFLICT. Throws NOT_FOUND. Publish `job.progress` afterwards.
 */
export async function reportJob(relational: Relational, report: JobReport): Promise<void> {
  const { tenantId, jobId, nowMs, message, result, error } = report;
  const at = new Date(nowMs);
  await relational.transact(async (tx) => {
    const job = await tx.job.findFirst({ where: { id: jobId, tenantId } });
    if (!job) throw notFound('job', jobId);
    if (job.status === 'SUCCEEDED' || job.status === 'FAILED')
      throw new CodedError('CONFLICT', { message: 'That job has ended.' });
    const status = report.status ?? 'RUNNING';
    const progress = status === 'SUCCEEDED' ? 1 : (report.progress ?? job.progress);
    const { count } = await tx.job.updateMany({
      where: { id: jobId, tenantId, status: job.status },
      data: {
        status,
        progress,
        updatedAt: at,
        ...(result === undefined ? {} : { result: jsonOf(result) as never }),
        ...(error ? { errorCode: error.code, errorText: error.text } : {}),
      },
    });
    if (count === 0) throw new CodedError('CONFLICT');
    await recordStep(tx, { tenantId, jobId, at, status, progress, message: message ?? null });
  });
}

export interface ClaimedJob {
  readonly jobId: string;
  readonly tenantId: string;
  readonly appId: string | null;
  readonly input: unknown;
}

/**
 * Takes the oldest job of a kind that waits, or that its worker left without a word for `staleMs`; null when there is none.
 * No two workers get the same one.
 */
export async function claimJob(
  relational: Relational,
  kind: string,
  nowMs: number,
  staleMs: number,
): Promise<ClaimedJob | null> {
  const now = new Date(nowMs);
  const stale = new Date(nowMs - staleMs);
  return relational.transact(async (tx) => {
    const [job] = await tx.$queryRaw<
      { id: string; tenantId: string; appId: string | null; input: unknown; progress: number }[]
    >`
      SELECT "id", "tenantId", "appId", "input", "progress" FROM "Job"
      WHERE "kind" = ${kind} AND ("status" = 'QUEUED' OR ("status" = 'RUNNING' AND "updatedAt" < ${stale}))
      ORDER BY "createdAt", "id" LIMIT 1 FOR UPDATE SKIP LOCKED`;
    if (!job) return null;
    await tx.job.updateMany({
      where: { id: job.id, tenantId: job.tenantId },
      data: { status: 'RUNNING', updatedAt: now },
    });
    const { id: jobId, tenantId, appId, input, progress } = job;
    await recordStep(tx, { tenantId, jobId, at: now, status: 'RUNNING', progress, message: null });
    return { jobId, tenantId, appId, input };
  });
}
