import { fraudModel } from '@tributary/models';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { LiveMessages } from '@tributary/schema';
import { scoreFraudOf } from './score-decisions.ts';

const now = 1_800_000_000_000;

/** Scores as given, by install. */
async function scoreAs(scores: Readonly<Record<string, number>>) {
  const liveBus = createMemoryLiveBus();
  const told: LiveMessages['fraud.flagged'][] = [];
  await liveBus.subscribe('fraud.flagged', (message) => told.push(message));
  const written: object[] = [];
  const installs = Object.keys(scores);
  await scoreFraudOf(
    {
      warehouse: { insertRows: async ({ rows }) => void written.push(...rows) } as Partial<Warehouse> as Warehouse,
      reader: { readInstallFacts: async () => ({ facts: new Map(), bursts: new Map() }) } as never,
      runtime: {
        score: async () => installs.map((id) => ({ value: scores[id], reasons: [], featuresHash: '' })),
      } as never,
      liveBus,
      clock: { now: () => now },
    },
    installs.map((installId) => ({
      tenantId: 'ten_a',
      appId: 'app_a',
      installId,
      installedAt: now,
      candidates: [],
      verdict: 'install',
      rule: 'organic',
      campaignId: null,
      ctitSeconds: null,
    })) as never,
  );
  await new Promise<void>((resolve) => setImmediate(resolve));
  await liveBus.dispose();
  return { told, written };
}

describe('the predictions worker on the live bus', () => {
  it(`tells of installs that ${fraudModel.name} scores as fraud, and of no other`, async () => {
    const { told, written } = await scoreAs({ clean: 0.1, suspect: 0.79, fraud: 0.8, sure: 1 });
    expect(written).toHaveLength(4);
    expect(told).toEqual(
      [['fraud', 0.8] as const, ['sure', 1] as const].map(([installId, score]) => ({
        tenantId: 'ten_a',
        appId: 'app_a',
        installId,
        score,
        at: now,
      })),
    );
  });
});
