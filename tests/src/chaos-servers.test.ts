import { runServerChaos } from './chaos-servers.testing.ts';

/**
 * Starts its own Redis, Postgres and Kafka, since it kills them. `TRIBUTARY_TEST_CHAOS_MINUTES=30` is the long trial; without it each
 * fault is injected once. TRIBUTARY_TEST_KAFKA_LIBS: folder of Kafka's jars; TRIBUTARY_TEST_POSTGRES_BIN: folder of initdb.
 */
const kafkaLibs = process.env['TRIBUTARY_TEST_KAFKA_LIBS'];
const postgresBin = process.env['TRIBUTARY_TEST_POSTGRES_BIN'];
const minutes = Number(process.env['TRIBUTARY_TEST_CHAOS_MINUTES'] ?? 0);

if (kafkaLibs === undefined || postgresBin === undefined)
  describe.skip('chaos on servers [needs TRIBUTARY_TEST_KAFKA_LIBS and TRIBUTARY_TEST_POSTGRES_BIN]', () =>
    it('is not run', () => undefined));
else
  it(
    'consumers, broker, Redis, Postgres and warehouse killed or paused under load: the warehouse equals the ledger',
    async () => {
      const result = await runServerChaos({
        minutes,
        kafkaLibs,
        postgresBin,
        eventsPerSecond: 600,
        sessionTimeoutMs: 6_000,
        print: (line) => void process.stdout.write(`${line}\n`),
      });
      process.stdout.write(`${JSON.stringify(result)}\n`);
      expect(result).toMatchObject({
        rows: result.acknowledged,
        distinct: result.acknowledged,
        missing: 0,
        aggregatedEvents: result.acknowledged,
        aggregatedCents: result.ledgerCents,
        unequalMinutes: 0,
        conflictsKept: result.conflictsSent,
      });
      expect(result.duplicatesSent).toBeGreaterThan(0);
      expect(result.conflictsSent).toBeGreaterThan(0);
      expect(result.resent).toBeGreaterThan(0);
    },
    (minutes + 25) * 60_000,
  );
