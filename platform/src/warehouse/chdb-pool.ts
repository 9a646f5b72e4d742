import type { Logger } from '../logger.ts';
import { type EngineError, engineErrors, toEngineError } from './chdb-errors.ts';
import type { Lane, LaneResult, LaneStatement } from './chdb-lane.ts';
import { sqlString } from './chdb-sql.ts';

export interface LanePoolOptions {
  /** One connection for all that writes, so that inserts and DDL come one after another. */
  readonly writer: Lane;
  readonly readers: readonly Lane[];
  /** A connection that never runs anything long: ends statements of the others. */
  readonly control: Lane;
  /** Statements that may wait for a lane of their kind; the next one is refused with code 202. */
  readonly maxQueued: number;
  readonly logger: Logger;
}

export interface LanePool {
  /**
   * Runs a statement on a lane of its kind. Rejects with an EngineError, never with anything else. A statement whose
   * setting `max_execution_time` (seconds) is past is ended from outside too, since the engine looks at it late in hot
   * loops.
   */
  run(kind: 'read' | 'write', statement: LaneStatement): Promise<LaneResult>;
  /** Ends all statements, waiting and running, that fit; resolves with their number when each of them has ended. */
  kill(fits: (queryId: string) => boolean): Promise<number>;
  /** Statements running and waiting. */
  load(): { readonly running: number; readonly waiting: number };
  /** Refuses new work, waits up to `graceMs` for what runs, ends the rest, closes all lanes. Idempotent. */
  dispose(graceMs: number): Promise<void>;
}

interface Job {
  readonly statement: LaneStatement;
  state: 'waiting' | 'running' | 'ended';
  /** What to say instead of the engine's own error, once the job is being ended. */
  endedBy: EngineError | null;
  readonly result: PromiseWithResolvers<LaneResult>;
  readonly ended: PromiseWithResolvers<void>;
}

interface Line {
  readonly free: Lane[];
  readonly waiting: Job[];
}

type EndJob = (job: Job, because: EngineError) => Promise<void>;

/** How long the engine may overrun `max_execution_time` before the statement is ended from outside. */
const overrunMs = 500;

export function createLanePool(options: LanePoolOptions): LanePool {
  const jobs = new Map<string, Job>();
  const lines: Record<'read' | 'write', Line> = {
    write: { free: [options.writer], waiting: [] },
    read: { free: [...options.readers], waiting: [] },
  };
  const end: EndJob = (job, because) => endJob(options, job, because);
  let disposing: Promise<void> | null = null;
  return {
    async run(kind, statement) {
      if (disposing) throw engineErrors.shuttingDown();
      if (jobs.has(statement.queryId)) throw engineErrors.sameId(statement.queryId);
      const line = lines[kind];
      const waiting = line.waiting.filter((job) => job.state === 'waiting').length;
      if (line.free.length === 0 && waiting >= options.maxQueued) throw engineErrors.tooManyQueries(waiting);
      const job = createJob(statement);
      jobs.set(statement.queryId, job);
      line.waiting.push(job);
      pump(line, end);
      try {
        return await job.result.promise;
      } finally {
        jobs.delete(statement.queryId);
      }
    },
    async kill(fits) {
      const found = [...jobs.values()].filter((job) => fits(job.statement.queryId));
      await Promise.all(found.map((job) => end(job, engineErrors.cancelled())));
      return found.length;
    },
    load() {
      const running = [...jobs.values()].filter((job) => job.state === 'running').length;
      return { running, waiting: jobs.size - running };
    },
    dispose(graceMs) {
      disposing ??= (async () => {
        const left = [...jobs.values()];
        await Promise.race([Promise.all(left.map((job) => job.ended.promise)), delay(graceMs)]);
        await Promise.all(left.map((job) => end(job, engineErrors.shuttingDown())));
        for (const lane of [options.writer, ...options.readers, options.control]) lane.close();
      })();
      return disposing;
    },
  };
}

function createJob(statement: LaneStatement): Job {
  return {
    statement,
    state: 'waiting',
    endedBy: null,
    result: Promise.withResolvers(),
    ended: Promise.withResolvers(),
  };
}

/** Gives waiting jobs to free lanes; a job that was ended while it waited is passed over. */
function pump(line: Line, end: EndJob): void {
  while (line.free.length > 0) {
    const job = line.waiting.shift();
    if (!job) return;
    if (job.state !== 'waiting') continue;
    const lane = line.free.pop() as Lane;
    void runJob(job, lane, end).then(() => {
      line.free.push(lane);
      pump(line, end);
    });
  }
}

async function runJob(job: Job, lane: Lane, end: EndJob): Promise<void> {
  job.state = 'running';
  const seconds = Number(job.statement.settings['max_execution_time'] ?? 0);
  const limitMs = Math.ceil(seconds * 1_000);
  const watchdog =
    limitMs > 0 ? setTimeout(() => void end(job, engineErrors.timeout(limitMs)), limitMs + overrunMs) : undefined;
  try {
    job.result.resolve(await lane.run(job.statement));
  } catch (error) {
    job.result.reject(job.endedBy ?? toEngineError(error));
  } finally {
    clearTimeout(watchdog);
    markEnded(job);
  }
}

function markEnded(job: Job): void {
  job.state = 'ended';
  job.ended.resolve();
}

async function endJob({ control, logger }: LanePoolOptions, job: Job, because: EngineError): Promise<void> {
  if (job.state === 'ended') return;
  job.endedBy ??= because;
  if (job.state === 'waiting') {
    job.result.reject(job.endedBy);
    markEnded(job);
    return;
  }
  // Again and again: a kill that comes before the engine has listed the statement finds nothing.
  while (job.state === 'running') {
    killInEngine(control, job.statement.queryId, logger);
    await Promise.race([job.ended.promise, delay(50)]);
  }
}

/**
 * Always ASYNC: `KILL QUERY … SYNC` never comes back in chDB 26.7, and the statement it waits for doesn't either. On the
 * calling thread (about 1 ms), so that it works while every thread of the pool is busy.
 */
function killInEngine(control: Lane, queryId: string, logger: Logger): void {
  try {
    control.runNow(`KILL QUERY WHERE Settings['log_comment'] = ${sqlString(queryId)} AND NOT is_cancelled ASYNC`);
  } catch (error) {
    logger.warn({ err: error, queryId }, 'the engine refused to end a statement');
  }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());
