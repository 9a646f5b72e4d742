import { anEvent, aSnapshot, type CollectorProcess, openCollectorProcess, post } from './collector-process.testing.ts';
import { killHard, until } from './family.testing.ts';

const postMany = async (collector: CollectorProcess, prefix: string, count = 40) =>
  Promise.all(Array.from({ length: count }, (_, index) => post(collector.url, anEvent(`${prefix}-${index}`))));
const idsOf = (prefix: string, count = 40) => Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** How many workers have taken events, by their own count: a worker that took none has none to tell. */
const acceptedOf = async (collector: CollectorProcess): Promise<number> => {
  const text = await (await fetch(`${collector.url}/metrics`)).text();
  return Number(/tributary_collector_events_total\{[^}]*verdict="accepted"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0);
};

describe.each([
  ['node', 2],
  ['bun', 2],
])('%s workers that share the port', (runtime, workers) => {
  let collector: CollectorProcess;
  beforeAll(async () => {
    collector = await openCollectorProcess({
      TRIBUTARY_COLLECTOR_WORKERS: String(workers),
      TRIBUTARY_COLLECTOR_RUNTIME: runtime,
    });
  }, 120_000);
  afterAll(() => collector?.dispose(), 60_000);

  it('are as many as were asked for, and ready together', async () => {
    expect(await collector.workers()).toHaveLength(workers);
    const answer = (await (await fetch(`${collector.url}/ready`)).json()) as { checks: Record<string, string> };
    expect(answer.checks).toMatchObject({ workers: 'ok', eventLog: 'ok', directory: 'ok' });
  });

  it('store into one log, and tell their metrics as sums', async () => {
    const answers = await postMany(collector, 'first');
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await collector.storedIds()).sort()).toEqual(idsOf('first').sort());
    expect(await acceptedOf(collector)).toBe(40);
  });

  it('are started again when they are killed, and lose nothing that was acknowledged', async () => {
    const before = await collector.workers();
    killHard(before[0]!);
    await until(async () => {
      const now = await collector.workers();
      return now.length === workers && !now.includes(before[0]!);
    }, 60_000);
    await until(async () => (await fetch(`${collector.url}/ready`)).status === 200, 60_000);
    const answers = await postMany(collector, 'again');
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(await collector.storedIds())).toEqual(new Set([...idsOf('first'), ...idsOf('again')]));
  }, 120_000);

  it('all refuse a key within 5 s of its being revoked', async () => {
    await collector.publish(aSnapshot(2, { enabled: false }));
    const revokedAt = Date.now();
    // 20 connections in a row that are refused: with two workers, both have answered.
    await until(async () => {
      const answers = await postMany(collector, 'revoked', 20);
      return answers.every(({ status }) => status === 401);
    });
    expect(Date.now() - revokedAt).toBeLessThan(5_000);
    await collector.publish(aSnapshot(3));
    await until(async () => (await postMany(collector, 'back', 20)).every(({ status }) => status === 200));
  }, 60_000);

  it('hold the rate of a key over all of them', async () => {
    await collector.publish(aSnapshot(4, { rate: { perSecond: 1, burst: 30 } }));
    await until(async () => {
      const answers = await postMany(collector, `limited-${Math.random()}`, 60);
      return answers.some(({ status }) => status === 429);
    });
    await collector.publish(aSnapshot(5));
  }, 60_000);

  it('drain on SIGTERM and leave nobody', async () => {
    const pids = await collector.workers();
    expect(await collector.stop()).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
  }, 60_000);
});

it('a second collector at the same port is told that it is taken', async () => {
  const first = await openCollectorProcess({ TRIBUTARY_COLLECTOR_WORKERS: '2' });
  try {
    const { startProgram, temporaryDir } = await import('./family.testing.ts');
    const folder = await temporaryDir();
    const port = new URL(first.url).port;
    const second = startProgram(['serve', '--role', 'collector', '--data-dir', folder.dir, '--collector-port', port], {
      TRIBUTARY_COLLECTOR_WORKERS: '2',
    });
    const code = await new Promise((resolve) => second.child.once('exit', resolve));
    await folder.dispose();
    expect(code).not.toBe(0);
    expect(second.output()).toContain('EADDRINUSE');
  } finally {
    await first.dispose();
  }
}, 120_000);
