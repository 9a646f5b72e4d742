import { createLogger } from '../logger.ts';
import type { Lane, LaneResult, LaneStatement } from './chdb-lane.ts';
import { createLanePool } from './chdb-pool.ts';

const result: LaneResult = { bytes: new Uint8Array(), readRows: 0, readBytes: 0, writtenRows: 0, writtenBytes: 0 };

/** A lane whose statements end when told to, or when the control lane ends them. */
function aLane() {
  const running = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const started: string[] = [];
  let closed = false;
  const lane: Lane = {
    run: ({ queryId }) =>
      new Promise((resolve, reject) => {
        started.push(queryId);
        running.set(queryId, { resolve: () => resolve(result), reject });
      }),
    runNow: () => '',
    close: () => {
      closed = true;
    },
  };
  return { lane, running, started, closed: () => closed };
}

const aStatement = (queryId: string, settings: Record<string, string> = {}): LaneStatement => ({
  queryId,
  sql: 'SELECT 1',
  database: 'default',
  format: 'JSONEachRow',
  settings,
  params: {},
});

function aPool({ readers = 1, maxQueued = 2 } = {}) {
  const writer = aLane();
  const readerLanes = Array.from({ length: readers }, aLane);
  const killed: string[] = [];
  const control: Lane = {
    ...aLane().lane,
    runNow(sql) {
      killed.push(sql);
      for (const { running } of [writer, ...readerLanes]) {
        for (const [id, { reject }] of running) if (sql.includes(`'${id}'`)) reject(new Error('ended by the engine'));
      }
      return '';
    },
  };
  const pool = createLanePool({
    writer: writer.lane,
    readers: readerLanes.map(({ lane }) => lane),
    control,
    maxQueued,
    logger: createLogger('test', 'silent'),
  });
  return { pool, writer, readers: readerLanes, killed };
}

const engineFault = (engineCode: number) => expect.objectContaining({ engineCode });

describe('createLanePool', () => {
  it('lets neither the writer wait for readers nor readers for the writer', async () => {
    const { pool, writer, readers } = aPool();
    const all = [
      pool.run('write', aStatement('w1')),
      pool.run('read', aStatement('r1')),
      pool.run('write', aStatement('w2')),
      pool.run('read', aStatement('r2')),
    ];
    expect(writer.started).toEqual(['w1']);
    expect(readers[0]?.started).toEqual(['r1']);
    expect(pool.load()).toEqual({ running: 2, waiting: 2 });
    readers[0]?.running.get('r1')?.resolve();
    await all[1];
    await Promise.resolve();
    expect(readers[0]?.started).toEqual(['r1', 'r2']);
    expect(writer.started).toEqual(['w1']);
    writer.running.get('w1')?.resolve();
    await all[0];
    await pool.dispose(0);
    await Promise.allSettled(all);
  });

  it('refuses what would wait behind too many, with code 202, and takes more when there is room again', async () => {
    const { pool, readers } = aPool({ maxQueued: 1 });
    const first = pool.run('read', aStatement('r1'));
    const second = pool.run('read', aStatement('r2'));
    await expect(pool.run('read', aStatement('r3'))).rejects.toEqual(engineFault(202));
    readers[0]?.running.get('r1')?.resolve();
    await first;
    const third = pool.run('read', aStatement('r3'));
    await pool.kill(() => true);
    await expect(second).rejects.toEqual(engineFault(394));
    await expect(third).rejects.toEqual(engineFault(394));
    await pool.dispose(0);
  });

  it('refuses a second statement under the id of one that runs', async () => {
    const { pool, readers } = aPool();
    const first = pool.run('read', aStatement('same'));
    await expect(pool.run('read', aStatement('same'))).rejects.toEqual(engineFault(216));
    readers[0]?.running.get('same')?.resolve();
    await first;
    await pool.dispose(0);
  });

  it('ends waiting statements without running them and running ones in the engine, then says how many', async () => {
    const { pool, readers, killed } = aPool();
    const [a, b, c] = ['job-1', 'job-2', 'other'].map((id) => {
      const run = pool.run('read', aStatement(id));
      run.catch(() => undefined);
      return run;
    });
    await expect(pool.kill((id) => id.startsWith('job-'))).resolves.toBe(2);
    await expect(a).rejects.toEqual(engineFault(394));
    await expect(b).rejects.toEqual(engineFault(394));
    expect(killed).toHaveLength(1);
    expect(readers[0]?.started).toEqual(['job-1', 'other']);
    readers[0]?.running.get('other')?.resolve();
    await expect(c).resolves.toBe(result);
    await pool.dispose(0);
  });

  it('ends a statement from outside that overruns its time limit, as a timeout', async () => {
    const { pool } = aPool();
    await expect(pool.run('read', aStatement('slow', { max_execution_time: '0.001' }))).rejects.toEqual(
      engineFault(159),
    );
    await pool.dispose(0);
  });

  it('tells the code of an error of the engine, and 1002 where there is none', async () => {
    const { pool, readers } = aPool();
    const first = pool.run('read', aStatement('a'));
    readers[0]?.running.get('a')?.reject(new Error('Code: 47. DB::Exception: No x. (UNKNOWN_IDENTIFIER)'));
    await expect(first).rejects.toMatchObject({ engineCode: 47, engineName: 'UNKNOWN_IDENTIFIER' });
    const second = pool.run('read', aStatement('b'));
    readers[0]?.running.get('b')?.reject(new Error('odd'));
    await expect(second).rejects.toEqual(engineFault(1002));
    await pool.dispose(0);
  });

  it('when disposed refuses new work, ends the rest and closes every lane, once', async () => {
    const { pool, writer, readers } = aPool({ readers: 2 });
    const left = pool.run('write', aStatement('w'));
    const refused = expect(left).rejects.toEqual(engineFault(210));
    await Promise.all([pool.dispose(5), pool.dispose(5)]);
    await refused;
    await expect(pool.run('read', aStatement('late'))).rejects.toEqual(engineFault(210));
    expect([writer, ...readers].every(({ closed }) => closed())).toBe(true);
  });
});
