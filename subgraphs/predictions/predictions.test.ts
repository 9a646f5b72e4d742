import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import {
  aCallerToken,
  aDirectory,
  aDirectoryApp,
  aDirectoryCampaign,
  askEntities,
  someDeps,
} from '../src/kit.testing.ts';
import type { Subgraph } from '../src/kit.ts';
import { aDecisionRow, insert } from '../src/rows.testing.ts';
import { fraudVerdictOf, perInstallOf } from './domain/index.ts';
import { createPredictionsSubgraph } from './index.ts';

const now = Date.parse('2026-11-24T12:00:00.000Z');
const day = 86_400_000;
const directory = aDirectory({
  apps: [
    aDirectoryApp({ appId: 'app_a', tenantId: 'ten_a', currency: 'EUR' }),
    aDirectoryApp({ appId: 'app_b', tenantId: 'ten_b' }),
  ],
  campaigns: [
    ...['cmp_1', 'cmp_2', 'cmp_none'].map((campaignId) =>
      aDirectoryCampaign({ campaignId, tenantId: 'ten_a', appId: 'app_a' }),
    ),
    aDirectoryCampaign({ campaignId: 'cmp_b', tenantId: 'ten_b', appId: 'app_b' }),
  ],
});
const reader = aCallerToken({ tenantId: 'ten_a' });
const foreigner = aCallerToken({ tenantId: 'ten_b' });

function aPredictionRow(fields: Record<string, unknown> & { readonly subject_id: string }) {
  return {
    tenant_id: 'ten_a',
    app_id: 'app_a',
    model: 'ltv-rules',
    model_version: '1',
    subject_at: now - 10 * day,
    scored_at: now - 9 * day,
    value: 0,
    currency: 'EUR',
    horizon_days: 90,
    reasons: [],
    features_hash: '0123456789abcdef',
    latency_us: 3,
    ...fields,
  };
}
const aFraudRow = (fields: Record<string, unknown> & { readonly subject_id: string }) =>
  aPredictionRow({ model: 'fraud-rules', horizon_days: 0, currency: '', ...fields });

let test: TestWarehouse;
let subgraph: Subgraph;

beforeAll(async () => {
  test = await startTestWarehouse();
  subgraph = createPredictionsSubgraph(someDeps({ warehouse: test.warehouse, directory, clock: { now: () => now } }));
  const installedAt = now - 10 * day;
  const id = (n: number) => `app_a:native:i${n}`;
  const injected = [{ reason: 'engagement_injection', touchpoint: { campaignId: 'cmp_1' } }] as never;
  const decisions = [
    { installId: id(1), deviceKey: 'd1', installedAt, campaignId: 'cmp_1' },
    { installId: id(2), deviceKey: 'd2', installedAt, campaignId: 'cmp_1' },
    // First organic, then revised: the revision counts.
    { installId: id(3), deviceKey: 'd3', installedAt },
    { installId: id(3), deviceKey: 'd3', installedAt, campaignId: 'cmp_2', revision: 2 },
    { installId: id(4), deviceKey: 'd4', installedAt },
    { installId: id(5), deviceKey: 'd5', installedAt, campaignId: 'cmp_1', verdict: 'reinstall' as const },
    { installId: id(6), deviceKey: 'd6', installedAt, candidates: injected },
    { installId: id(7), deviceKey: 'd7', installedAt: now - 60 * day, campaignId: 'cmp_1' },
  ];
  const predictions = [
    aPredictionRow({ subject_id: id(1), value: 1 }),
    aPredictionRow({ subject_id: id(1), value: 2.5, scored_at: now - day }),
    aPredictionRow({ subject_id: id(1), value: 0.7, horizon_days: 30 }),
    aPredictionRow({ subject_id: id(3), value: 0.25 }),
    aPredictionRow({ subject_id: id(4), value: 4 }),
    aFraudRow({ subject_id: id(1), value: 0.1 }),
    aFraudRow({ subject_id: id(2), value: 0.6, reasons: ['distribution_outlier'] }),
    aFraudRow({ subject_id: id(3), value: 0 }),
    aFraudRow({ subject_id: id(6), value: 0.95, reasons: ['engagement_injection'] }),
    aFraudRow({ subject_id: id(7), value: 0.95, subject_at: now - 60 * day }),
  ];
  // Another tenant's rows under the same ids, to be seen by nobody.
  await insert(test.warehouse, 'install_attributions', [
    ...decisions.map((fields) => aDecisionRow(fields)),
    ...decisions.map((fields) => aDecisionRow({ ...fields, tenantId: 'ten_b', revision: 9, campaignId: 'cmp_2' })),
  ]);
  await insert(test.warehouse, 'predictions', predictions);
});
afterAll(async () => {
  await subgraph?.dispose();
  await test?.dispose();
});

describe('Install', () => {
  const fields =
    'id fraud { score verdict reasons model modelVersion scoredAt } predictedLtv { value { amount currency } horizonDays model modelVersion scoredAt }';

  it('has the latest score and value, or null where it has none', async () => {
    const { data } = await askEntities(
      subgraph,
      reader,
      'Install',
      ['app_a:native:i1', 'app_a:native:i2', 'app_a:native:x'],
      fields,
    );
    expect(data._entities).toEqual([
      {
        id: 'app_a:native:i1',
        fraud: {
          score: 0.1,
          verdict: 'CLEAN',
          reasons: [],
          model: 'fraud-rules',
          modelVersion: '1',
          scoredAt: '2026-11-15T12:00:00.000Z',
        },
        predictedLtv: {
          value: { amount: '2.5', currency: 'EUR' },
          horizonDays: 90,
          model: 'ltv-rules',
          modelVersion: '1',
          scoredAt: '2026-11-23T12:00:00.000Z',
        },
      },
      {
        id: 'app_a:native:i2',
        fraud: expect.objectContaining({ verdict: 'SUSPECT', reasons: ['distribution_outlier'] }),
        predictedLtv: null,
      },
      { id: 'app_a:native:x', fraud: null, predictedLtv: null },
    ]);
  });

  it('has the horizons that are kept and refuses others', async () => {
    const of = async (days: number) => {
      const answer = await askEntities(
        subgraph,
        reader,
        'Install',
        ['app_a:native:i1'],
        `predictedLtv(horizonDays: ${days}) { value { amount } }`,
      );
      return answer.codes[0] ?? answer.data._entities[0].predictedLtv?.value.amount ?? null;
    };
    expect([await of(30), await of(180), await of(45)]).toEqual(['0.7', null, 'BAD_USER_INPUT']);
  });

  it('tells another tenant nothing', async () => {
    const { data, codes } = await askEntities(subgraph, foreigner, 'Install', ['app_a:native:i1'], 'fraud { score }');
    expect([data._entities[0].fraud, codes]).toEqual([null, ['NOT_FOUND']]);
  });
});

describe('Campaign', () => {
  const fields =
    'predictedLtv(range: { lastDays: 30 }) { installs scored perInstall { amount currency } total { amount currency } horizonDays model modelVersion } fraud(range: { lastDays: 30 }) { scored suspect fraud rate }';

  it('sums its cohort by the decision in force, reinstalls and other ranges left out', async () => {
    const { data, codes } = await askEntities(subgraph, reader, 'Campaign', ['cmp_1', 'cmp_2', 'cmp_none'], fields);
    expect(codes).toEqual([]);
    const eur = (amount: string) => ({ amount, currency: 'EUR' });
    const model = { horizonDays: 90, model: 'ltv-rules', modelVersion: '1' };
    expect(data._entities).toEqual([
      {
        predictedLtv: { installs: 2, scored: 1, perInstall: eur('2.5'), total: eur('2.5'), ...model },
        // The one it claimed by an injected click is counted against it.
        fraud: { scored: 3, suspect: 1, fraud: 1, rate: 1 / 3 },
      },
      {
        predictedLtv: { installs: 1, scored: 1, perInstall: eur('0.25'), total: eur('0.25'), ...model },
        fraud: { scored: 1, suspect: 0, fraud: 0, rate: 0 },
      },
      {
        predictedLtv: {
          installs: 0,
          scored: 0,
          perInstall: null,
          total: eur('0'),
          horizonDays: 90,
          model: null,
          modelVersion: null,
        },
        fraud: { scored: 0, suspect: 0, fraud: 0, rate: null },
      },
    ]);
  });

  it('is not found by another tenant', async () => {
    const { codes } = await askEntities(
      subgraph,
      foreigner,
      'Campaign',
      ['cmp_1'],
      'fraud(range: { lastDays: 30 }) { scored }',
    );
    expect(codes).toEqual(['NOT_FOUND']);
  });
});

describe('App', () => {
  it('sums all its installs, organic ones too', async () => {
    const fields = 'predictedLtv(range: { lastDays: 30 }) { installs scored total { amount currency } }';
    const { data } = await askEntities(subgraph, reader, 'App', ['app_a'], fields);
    expect(data._entities[0].predictedLtv).toEqual({
      installs: 5,
      scored: 3,
      total: { amount: '6.75', currency: 'EUR' },
    });
  });
});

describe('the domain', () => {
  it.each([
    [0, 'CLEAN'],
    [0.499, 'CLEAN'],
    [0.5, 'SUSPECT'],
    [0.799, 'SUSPECT'],
    [0.8, 'FRAUD'],
    [1, 'FRAUD'],
  ])('calls a score of %d %s', (score, verdict) => expect(fraudVerdictOf(score)).toBe(verdict));

  it('has no mean of nothing', () => {
    expect(perInstallOf({ installs: 3, scored: 0, total: '0', model: null, modelVersion: null })).toBeNull();
    expect(perInstallOf({ installs: 3, scored: 3, total: '1', model: 'm', modelVersion: '1' })).toBe('0.333333');
  });
});
