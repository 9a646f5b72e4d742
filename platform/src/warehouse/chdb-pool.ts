import type { Logger } from '../logger.ts';
import { engineErrors, toEngineError } from './chdb-errors.ts';
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
  endedBy: Error | null;
  readonly start: (lane: Lane) => Promise<void>;
  readonly refuse: (error: Error) => void;
  readonly ended: Promise<void>;
}

/** How long the engine may overrun `max_execution_time` before the statement is ended from outside. */
const overrunMs = 500;

export function createLanePool(options: LanePoolOptions): LanePool {
  const jobs = new Map<string, Job>();
  const lines = {
    write: { free: [options.writer], waiting: [] as Job[] },
    read: { free: [...options.readers], waiting: [] as Job[] },
  };
  let closed = false;
  let disposing: Promise<void> | null = null;

  const pump = (line: { free: Lane[]; waiting: Job[] }): void => {
    while (line.free.length > 0 && line.waiting.length > 0) {
      const lane = line.free.pop() as Lane;
      const job = line.waiting.shift() as Job;
      if (job.state !== 'waiting') {
        line.free.push(lane);
        continue;
      }
      void job.start(lane).then(() => {
        line.free.push(lane);
        pump(line);
      });
    }
  };

  const end = async (job: Job, because: Error): Promise<void> => {
    if (job.state === 'ended') return;
    job.endedBy ??= because;
    if (job.state === 'waiting') return job.refuse(job.endedBy);
    // Again and again: a kill that comes before the engine has listed the statement finds nothing.
    while ((job.state as Job['state']) === 'running') {
      killInEngine(options.control, job.statement.queryId, options.logger);
      await Promise.race([job.ended, delay(50)]);
    }
  };

  const createJob = (statement: LaneStatement): { job: Job; result: Promise<LaneResult> } => {
    const { promise: result, resolve, reject } = Promise.withResolvers<LaneResult>();
    const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
    const leave = () => {
      job.state = 'ended';
      jobs.delete(statement.queryId);
      markEnded();
    };
    const job: Job = {
      statement,
      state: 'waiting',
      endedBy: null,
      ended,
      refuse(error) {
        leave();
        reject(error);
      },
      async start(lane) {
        job.state = 'running';
        const watchdog = watch(job, (error) => void end(job, error));
        try {
          const value = await lane.run(statement);
          leave();
          resolve(value);
        } catch (error) {
          leave();
          reject(job.endedBy ?? toEngineError(error));
        } finally {
          clearTimeout(watchdog);
        }
      },
    };
    return { job, result };
  };

  return {
    async run(kind, statement) {
      if (closed) throw engineErrors.shuttingDown();
      if (jobs.has(statement.queryId)) throw engineErrors.sameId(statement.queryId);
      const line = lines[kind];
      if (line.free.length === 0 && line.waiting.length >= options.maxQueued) {
        throw engineErrors.tooManyQueries(line.waiting.length);
      }
      const { job, result } = createJob(statement);
      jobs.set(statement.queryId, job);
      line.waiting.push(job);
      pump(line);
      return result;
    },
    async kill(fits) {
      const found = [...jobs.values()].filter((job) => fits(job.statement.queryId));
      await Promise.all(found.map((job) => end(job, engineErrors.cancelled())));
      return found.length;
    },
    load() {
      const all = [...jobs.values()];
      const running = all.filter((job) => job.state === 'running').length;
      return { running, waiting: all.length - running };
    },
    dispose(graceMs) {
      disposing ??= (async () => {
        closed = true;
        const drained = Promise.all([...jobs.values()].map((job) => job.ended));
        await Promise.race([drained, delay(graceMs)]);
        await Promise.all([...jobs.values()].map((job) => end(job, engineErrors.shuttingDown())));
        for (const lane of [options.writer, ...options.readers, options.control]) lane.close();
      })();
      return disposing;
    },
  };
}

function watch(job: Job, end: (error: Error) => void): NodeJS.Timeout | undefined {
  const seconds = Number(job.statement.settings['max_execution_time'] ?? 0);
  if (!(seconds > 0)) return undefined;
  const ms = Math.ceil(seconds * 1_000);
  return setTimeout(() => end(engineErrors.timeout(ms)), ms + overrunMs);
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

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
