import type { Relational } from './client.ts';

const dayMs = 86_400_000;
/** What an alert fired is kept as long as an app's events are by default. */
const firingMs = 400 * dayMs;
/** Nobody follows a job that ended so long ago; the job itself stays, with what came of it. */
const stepMs = 30 * dayMs;

/**
 * Deletes what grows without end and nobody asks for any more, of all tenants: firings of alerts whose messages are out, and
 * the steps of jobs that ended. Returns how many rows went.
 */
export async function forgetOldRecords({ client }: Relational, nowMs: number): Promise<number> {
  const firings = await client.alertFiring.deleteMany({
    where: { at: { lt: new Date(nowMs - firingMs) }, nextAttemptAt: null },
  });
  const steps = await client.jobStep.deleteMany({
    where: { at: { lt: new Date(nowMs - stepMs) }, job: { status: { in: ['SUCCEEDED', 'FAILED'] } } },
  });
  return firings.count + steps.count;
}
