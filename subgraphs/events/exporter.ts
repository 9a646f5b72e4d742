import type { BlobStore } from '@tributary/platform/blob-store';
import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { WarehouseStreams } from '@tributary/platform/warehouse/stream';
import { CodedError } from '@tributary/schema';
import type { ExportFormat, ExportJob, ExportStore } from './export-store.ts';
import { reportSql } from './report-sql.ts';

export interface ExporterDeps {
  readonly store: ExportStore;
  readonly streams: WarehouseStreams;
  readonly blobs: BlobStore;
  readonly liveBus: LiveBus;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A job that nobody touched for this long is taken up anew. Default 30 s. */
  readonly leaseMs?: number;
  /** How often that is looked for. Default 10 s. */
  readonly tickMs?: number;
}

/**
 * Runs exports: the statement's answer goes into a blob, chunk by chunk, never whole through this process's memory.
 *
 * A job is begun anew from its first byte when its process died (nothing of a half-written file can be read), at most three
 * times; then it fails. Files are kept for a day.
 */
export interface Exporter {
  /** Takes the job to its end in the background. */
  enqueue(job: ExportJob): void;
  /** Begins to look for jobs that a process that died left. */
  start(): void;
  /** Ends what runs, to be taken up by the next one; waits for it. Idempotent. */
  dispose(): Promise<void>;
}

/** How long a file can be fetched. */
export const exportTtlMs = 24 * 3_600_000;
const maxAttempts = 3;
const timeoutMs = 15 * 60_000;
const memoryBytes = 800_000_000;
/** A job that was asked for longer ago than this isn't begun any more. */
const staleJobMs = 2 * 86_400_000;
const progressEveryMs = 1_000;

const formats = { NDJSON: 'JSONEachRow', CSV: 'CSVWithNames', PARQUET: 'Parquet' } as const;
const extensions = { NDJSON: 'ndjson', CSV: 'csv', PARQUET: 'parquet' } as const;

/** The blob of a job. */
export const exportBlobKey = (jobId: string, format: ExportFormat): string => `${jobId}.${extensions[format]}`;

export function createExporter(deps: ExporterDeps): Exporter {
  const { store, blobs, clock, logger, leaseMs = 30_000, tickMs = 10_000 } = deps;
  const abort = new AbortController();
  const underWay = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let sweptAt = 0;
  // One after another: an export may take all the memory that the readers leave it.
  let queue: Promise<void> = Promise.resolve();

  const enqueue = (job: ExportJob) => {
    if (abort.signal.aborted || underWay.has(job.jobId)) return;
    const work = queue.then(() => (abort.signal.aborted ? undefined : runExport(deps, job, abort.signal)));
    const settled = work
      .catch((error: unknown) => {
        if (!abort.signal.aborted)
          logger.error({ err: error, jobId: job.jobId }, 'an export could not be run; it is tried again');
      })
      .finally(() => underWay.delete(job.jobId));
    queue = settled;
    underWay.set(job.jobId, settled);
  };
  const tick = async () => {
    try {
      const now = clock.now();
      for (const job of await store.readUnfinished(now - staleJobMs, now - leaseMs)) enqueue(job);
      if (now - sweptAt > 3_600_000) {
        await blobs.sweep(now - exportTtlMs);
        sweptAt = now;
      }
    } catch (error) {
      if (!abort.signal.aborted) logger.warn({ err: error }, 'exports left behind could not be looked for');
    }
    if (!abort.signal.aborted) timer = setTimeout(tick, tickMs).unref();
  };
  return {
    enqueue,
    start: () => void tick(),
    async dispose() {
      abort.abort();
      clearTimeout(timer);
      await Promise.all(underWay.values());
    },
  };
}

async function runExport(deps: ExporterDeps, queued: ExportJob, signal: AbortSignal): Promise<void> {
  const { store, cache, clock } = deps;
  // Whoever has the number of this attempt first runs it, of all processes that saw the job.
  const attempt = queued.attempt + 1;
  const claim = `${queued.tenantId}:export:${queued.jobId}:${attempt}`;
  if ((await cache.increment(claim, 1, { ttlMs: staleJobMs })) > 1) return;
  let job = queued;
  const save = async (change: Partial<ExportJob>) => {
    job = { ...job, ...change, version: job.version + 1, updatedAt: clock.now() };
    await store.write(job);
    deps.liveBus.publish('job.progress', { tenantId: job.tenantId, jobId: job.jobId, at: job.updatedAt });
  };
  if (attempt > maxAttempts) return save({ state: 'FAILED', errorCode: 'INTERNAL' });
  await save({ state: 'RUNNING', attempt, bytesDone: 0 });
  const heartbeat = createHeartbeat(() => save({}));
  try {
    const bytesDone = await writeFile(deps, job, signal, (bytes) => heartbeat.progress({ bytesDone: bytes }, save));
    await heartbeat.end();
    await save({ state: 'DONE', bytesDone });
  } catch (error) {
    await heartbeat.end();
    // A process that stops leaves the job as it is: the next one begins it anew.
    if (signal.aborted) return;
    const code = error instanceof CodedError ? error.code : 'INTERNAL';
    deps.logger[code === 'INTERNAL' ? 'error' : 'warn']({ err: error, jobId: job.jobId }, 'an export failed');
    await save({ state: 'FAILED', errorCode: code });
  }
}

/** Keeps the lease while a statement runs without giving bytes, and tells progress no more often than once a second. */
function createHeartbeat(beat: () => Promise<void>) {
  let last: Promise<void> = Promise.resolve();
  let toldAt = performance.now();
  const tell = (work: () => Promise<void>) => {
    toldAt = performance.now();
    last = last.then(work).catch(() => undefined);
  };
  const timer = setInterval(() => {
    if (performance.now() - toldAt >= 5_000) tell(beat);
  }, 1_000);
  return {
    progress(change: Partial<ExportJob>, save: (change: Partial<ExportJob>) => Promise<void>) {
      if (performance.now() - toldAt >= progressEveryMs) tell(() => save(change));
    },
    async end() {
      clearInterval(timer);
      await last;
    },
  };
}

async function writeFile(
  { streams, blobs }: ExporterDeps,
  job: ExportJob,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const { sql, params } = reportSql(job.plan, { withCurrency: true });
  const writer = await blobs.create(exportBlobKey(job.jobId, job.format));
  let bytes = 0;
  try {
    const statement = {
      name: 'events_export',
      sql,
      params,
      format: formats[job.format],
      timeoutMs,
      maxMemoryBytes: memoryBytes,
      signal,
    };
    for await (const chunk of streams.read(statement)) {
      signal.throwIfAborted();
      await writer.write(chunk);
      bytes += chunk.byteLength;
      onBytes(bytes);
    }
    await writer.publish();
    return bytes;
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
