import { fraudModel } from '@tributary/models';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { aCallerToken, aDirectory, aDirectoryApp, someDeps } from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { aDecisionRow, insert } from '../src/rows.testing.ts';
import { follow } from '../src/stream.testing.ts';
import { streamCursorOf } from '../src/stream-position.ts';
import { createPredictionsSubgraph } from './index.ts';

const directory = aDirectory({
  apps: [aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a' }), aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' })],
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const liveBus = createMemoryLiveBus();
let test: TestWarehouse;
const opened: Subgraph[] = [];
const open = () => {
  const subgraph = createPredictionsSubgraph(someDeps({ warehouse: test.warehouse, directory, liveBus }), {
    settleMs: 30,
  });
  opened.push(subgraph);
  return subgraph;
};
beforeAll(async () => {
  test = await startTestWarehouse();
});
afterAll(async () => {
  for (const subgraph of opened) await subgraph.dispose();
  await liveBus.dispose();
  await test?.dispose();
});

const query = `subscription ($appId: ID! = "app_a", $minScore: Float! = 0.8, $after: String) {
  fraudFlagged(appId: $appId, minScore: $minScore, after: $after) { cursor app { id } flags { install { id } score because } } }`;
let serial = 0;
const nextSerial = () => {
  serial += 1;
  return serial;
};
async function score(values: readonly number[]): Promise<string[]> {
  const at = Date.now();
  const rows = values.map((value) => ({
    tenant_id: 'ten_a',
    app_id: 'app_a',
    model: fraudModel.name,
    model_version: '1',
    subject_id: `app_a:native:i${String(nextSerial()).padStart(4, '0')}`,
    subject_at: at,
    scored_at: at,
    value,
    currency: '',
    horizon_days: 0,
    reasons: ['short_ctit'],
    features_hash: '',
    latency_us: 1,
  }));
  await insert(test.warehouse, 'predictions', rows);
  for (const row of rows)
    liveBus.publish('fraud.flagged', {
      tenantId: 'ten_a',
      appId: 'app_a',
      installId: row.subject_id,
      score: row.value,
      at,
    });
  return rows.map((row) => row.subject_id);
}
async function take(stream: Awaited<ReturnType<typeof follow>>, count: number) {
  const ids: string[] = [];
  let cursor = '';
  while (ids.length < count) {
    const { fraudFlagged } = await stream.next();
    ids.push(...fraudFlagged.flags.map((flag: { install: { id: string } }) => flag.install.id));
    cursor = fraudFlagged.cursor;
  }
  return { ids, cursor };
}

describe('fraudFlagged', () => {
  it('gives every install scored as fraud, and goes on after its cursor in a new instance', async () => {
    const first = open();
    const stream = await follow(first, reader, query);
    expect((await stream.next()).fraudFlagged).toMatchObject({ app: { id: 'app_a' }, flags: [] });
    const [bad, , worse] = await score([0.8, 0.79, 0.99]);
    const { ids, cursor } = await take(stream, 2);
    expect(ids).toEqual([bad, worse]);
    await stream.stop();
    await first.dispose();
    const missed = await score([0.9, 0.91]);
    const again = await follow(open(), reader, query, { after: cursor });
    expect((await take(again, 2)).ids).toEqual(missed);
    await again.stop();
  });

  it('takes a lower bound of the score', async () => {
    const stream = await follow(open(), reader, query, { minScore: 0.4 });
    await stream.next();
    const [low] = await score([0.4, 0.3]);
    expect((await take(stream, 1)).ids).toEqual([low]);
    await stream.stop();
  });

  it('shows a partner the installs of its campaigns only', async () => {
    await insert(test.warehouse, 'campaigns_mirror', [
      {
        tenant_id: 'ten_a',
        app_id: 'app_a',
        campaign_id: 'cmp_1',
        name: '',
        network: '',
        partner_id: 'par_1',
        version: 1,
      },
    ]);
    const stream = await follow(open(), aCallerToken({ tenantId: 'ten_a', partnerId: 'par_1' }), query);
    await stream.next();
    const next = [1, 2].map((step) => `app_a:native:i${String(serial + step).padStart(4, '0')}`);
    await insert(
      test.warehouse,
      'install_attributions',
      next.map((installId, index) =>
        aDecisionRow({
          installId,
          deviceKey: 'd',
          installedAt: Date.now(),
          campaignId: index === 0 ? 'cmp_other' : 'cmp_1',
        }),
      ),
    );
    const [, own] = await score([0.9, 0.95]);
    expect((await take(stream, 1)).ids).toEqual([own]);
    await stream.stop();
  });

  it.each([
    ['an app of another tenant', { appId: 'app_b' }, 'NOT_FOUND'],
    ['a score beyond 1', { minScore: 1.1 }, 'BAD_USER_INPUT'],
    [
      'a cursor older than a day',
      { after: streamCursorOf('flags', 'app_a', [Date.now() - 90_000_000, '', 0]) },
      'CURSOR_EXPIRED',
    ],
  ])('refuses %s', async (_name, variables, code) => {
    await expect(follow(open(), reader, query, variables)).rejects.toMatchObject({ code });
  });
});
