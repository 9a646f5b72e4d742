import { runChaos } from './chaos.testing.ts';

/**
 * `TRIBUTARY_TEST_CHAOS_KILLS=20 npm test -- chaos` is the long trial (20 kills of each kind). The default keeps `npm test` short.
 */
const kills = Number(process.env['TRIBUTARY_TEST_CHAOS_KILLS'] ?? 2);

it(
  'loses and doubles nothing when the family, the warehouse and the consumer are killed with signal 9 under load',
  async () => {
    const result = await runChaos({
      familyKills: kills,
      warehouseKills: kills,
      consumerKills: kills,
      print: (line) => void process.stdout.write(`${line}\n`),
    });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    expect(result.missing).toBe(0);
    expect(result.rows).toBe(result.acknowledged);
    expect(result.distinct).toBe(result.acknowledged);
    expect(result.aggregatedEvents).toBe(result.rows);
    expect(result.unequalMinutes).toBe(0);
    expect(result.decidedInstalls).toBe(result.installs);
    expect(result.contradictions).toBe(0);
    expect(result.resent).toBeGreaterThan(0);
  },
  120_000 + kills * 60_000,
);
