import { anEvent, type CollectorProcess, openCollectorProcess, post } from './collector-process.testing.ts';

/** 50 for a trial; a few in every run. */
const kills = Number(process.env['TRIBUTARY_TEST_KILLS'] ?? 5);

/** Posts batches on several connections until it is told to stop; keeps the ids that were acknowledged. */
function startLoad(collector: CollectorProcess, prefix: string) {
  const acknowledged: string[] = [];
  let stopped = false;
  let batches = 0;
  const drive = async () => {
    while (!stopped) {
      batches += 1;
      const ids = Array.from({ length: 1 + (batches % 20) }, (_, index) => `${prefix}-${batches}-${index}`);
      // A killed collector cuts the answer off: that batch was not acknowledged, and is not asked for.
      const answer = await post(collector.url, { batch: ids.map(anEvent) }).catch(() => null);
      if (answer?.status === 200) acknowledged.push(...ids);
    }
  };
  const driving = Promise.all(Array.from({ length: 8 }, drive));
  return {
    acknowledged,
    async stop() {
      stopped = true;
      await driving;
    },
  };
}

const atMost = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.random() * ms));

it.each([
  ['node', 1],
  ['node', 2],
  ['bun', 1],
])(
  `every event that was acknowledged is in the log after kills -9 at random points under load (%s, %i worker)`,
  async (runtime, workers) => {
    const collector = await openCollectorProcess({
      TRIBUTARY_COLLECTOR_WORKERS: String(workers),
      TRIBUTARY_COLLECTOR_RUNTIME: runtime,
    });
    try {
      const acknowledged: string[] = [];
      const rounds = Math.ceil(kills / 3);
      for (let round = 0; round < rounds; round += 1) {
        if (round > 0) await collector.start();
        const load = startLoad(collector, `${runtime}-${round}`);
        const enough = load.acknowledged.length + 50;
        while (load.acknowledged.length < enough) await atMost(5);
        await atMost(200);
        await collector.kill();
        await load.stop();
        acknowledged.push(...load.acknowledged);
      }
      const stored = await collector.storedIds();
      const held = new Set(stored);
      expect(acknowledged.filter((id) => !held.has(id))).toEqual([]);
      // What was not acknowledged may be there too; nothing is there twice, since nothing was sent twice.
      expect(held.size).toBe(stored.length);
      expect(acknowledged.length).toBeGreaterThanOrEqual(rounds * 50);
    } finally {
      await collector.dispose();
    }
  },
  Math.max(120_000, kills * 20_000),
);
