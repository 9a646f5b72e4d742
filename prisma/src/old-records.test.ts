import { createApp, createTenant } from './accounts.ts';
import type { Relational } from './client.ts';
import { createJob, reportJob } from './jobs.ts';
import { forgetOldRecords } from './old-records.ts';
import { describeEachStore, type TestStore } from './relational.testing.ts';

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 24);

describeEachStore('old records', (openStore) => {
  let store: TestStore;
  let relational: Relational;

  beforeAll(async () => {
    store = await openStore();
    relational = await store.openMigrated();
  });
  afterAll(() => store.dispose());

  it('forgets old firings whose messages are out, and steps of jobs that ended long ago', async () => {
    const { tenantId } = await createTenant(relational, { name: 'Ours' });
    const game = { name: 'Game', platform: 'ios', currency: 'USD', timezone: 'UTC' } as const;
    const { appId } = await createApp(relational, { tenantId, ...game });
    const alertId = 'alert_old';
    await relational.client.alert.create({ data: { id: alertId, tenantId, appId, name: 'Spend', rule: {} } });
    const fire = (id: string, days: number, nextAttemptAt: Date | null, sequence: bigint) =>
      relational.client.alertFiring.create({
        data: {
          ...{ id, tenantId, appId, alertId, sequence, at: new Date(nowMs - days * dayMs), nextAttemptAt },
          ...{ windowFrom: new Date(0), windowTo: new Date(1), value: 1, bound: 2, deliveries: [] },
        },
      });
    await fire('old', 401, null, 1_001n);
    await fire('unsent', 401, new Date(nowMs), 1_002n);
    await fire('new', 399, null, 1_003n);
    const job = { tenantId, appId, kind: 'COST_IMPORT', input: {}, createdBy: 'key_1', nowMs: nowMs - 31 * dayMs };
    const queue = () => relational.transact((tx) => createJob(tx, job));
    const [ended, running] = [await queue(), await queue()];
    await reportJob(relational, { tenantId, jobId: ended, nowMs: job.nowMs, status: 'SUCCEEDED' });

    expect(await forgetOldRecords(relational, nowMs)).toBe(1 + 2);

    const firings = await relational.client.alertFiring.findMany({ where: { tenantId }, orderBy: { sequence: 'asc' } });
    expect(firings.map(({ id }) => id)).toEqual(['unsent', 'new']);
    const steps = await relational.client.jobStep.findMany({ where: { tenantId } });
    expect(steps.map(({ jobId }) => jobId)).toEqual([running]);
    expect(await relational.client.job.count({ where: { tenantId } })).toBe(2);
    expect(await forgetOldRecords(relational, nowMs)).toBe(0);
  });
});
