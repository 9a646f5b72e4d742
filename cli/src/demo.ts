import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@tributary/platform/clock';
import type { Relational } from '@tributary/prisma/client';
import { refreshDemoCosts, seedDemo } from '@tributary/prisma/seed-demo';
import type { Config } from '@tributary/schema';
import { z } from 'zod';

/** What a newcomer needs to try the product, as printed and as kept in `<data dir>/demo.json` (readable by the owner only). */
export const demoAccessSchema = z.object({
  consoleUrl: z.string(),
  graphqlUrl: z.string(),
  collectorUrl: z.string(),
  appId: z.string(),
  writeKey: z.string(),
  secretKey: z.string(),
  apiKey: z.string(),
});
export type DemoAccess = z.output<typeof demoAccessSchema>;

/** What the simulator must know, kept beside it: every app with its keys and campaigns. */
export const demoWorldSchema = z.object({
  seed: z.string(),
  /** Start of the backfill, epoch ms: fixed at the first run, so that a repeat makes the same events. */
  backfillFromMs: z.number(),
  backfillToMs: z.number(),
  apps: z.array(
    z.object({
      appId: z.string(),
      platform: z.enum(['ios', 'android']),
      currency: z.string(),
      writeKey: z.string(),
      secretKey: z.string(),
      campaigns: z.array(
        z.object({
          campaignId: z.string(),
          network: z.string(),
          slug: z.string(),
          weight: z.number(),
          quality: z.number(),
          fraudShare: z.number(),
        }),
      ),
    }),
  ),
});
export type DemoWorld = z.output<typeof demoWorldSchema>;

export const demoFiles = (dataDir: string) => ({
  access: join(dataDir, 'demo.json'),
  world: join(dataDir, 'demo-world.json'),
  backfilled: join(dataDir, 'demo-backfilled.json'),
});

const backfillDays = 30;

/**
 * The demo tenant with its keys: made on the first run, read from the data directory later. Keys can't be read back from
 * the store, so a lost file means new keys (the old ones are revoked by `seedDemo`).
 */
export async function prepareDemo(options: {
  readonly config: Config;
  readonly relational: Relational;
  readonly clock: Clock;
  readonly urls: { readonly gateway: string; readonly collector: string };
}): Promise<{ access: DemoAccess; world: DemoWorld }> {
  const files = demoFiles(options.config.dataDir);
  const kept = await readKept(files.world, demoWorldSchema);
  const keptAccess = await readKept(files.access, demoAccessSchema);
  const { urls } = options;
  if (kept && keptAccess) {
    await refreshDemoCosts(options.relational, { clock: options.clock });
    const access = {
      ...keptAccess,
      consoleUrl: urls.gateway,
      graphqlUrl: `${urls.gateway}/graphql`,
      collectorUrl: urls.collector,
    };
    await writePrivate(files.access, access);
    return { access, world: kept };
  }
  const seeded = await seedDemo(options.relational, { clock: options.clock, publicCollectorUrl: urls.collector });
  const now = options.clock.now();
  const world: DemoWorld = {
    seed: 'tributary-demo',
    backfillFromMs: now - backfillDays * 86_400_000,
    backfillToMs: now - 60_000,
    apps: seeded.apps.map((app, index) => simulatedApp(app, index)),
  };
  const first = world.apps[0]!;
  const access: DemoAccess = {
    consoleUrl: urls.gateway,
    graphqlUrl: `${urls.gateway}/graphql`,
    collectorUrl: urls.collector,
    appId: first.appId,
    writeKey: first.writeKey,
    secretKey: first.secretKey,
    apiKey: seeded.apiKey,
  };
  await writePrivate(files.world, world);
  await writePrivate(files.access, access);
  return { access, world };
}

type SeededApp = Awaited<ReturnType<typeof seedDemo>>['apps'][number];

/** Shares, quality and fraud differ by campaign, so that the table has something to tell. */
const profiles = [
  { weight: 5, quality: 1.25, fraudShare: 0.02 },
  { weight: 4, quality: 0.95, fraudShare: 0.05 },
  { weight: 3, quality: 0.7, fraudShare: 0.35 },
  { weight: 2, quality: 1.5, fraudShare: 0 },
] as const;

function simulatedApp(app: SeededApp, index: number): DemoWorld['apps'][number] {
  return {
    appId: app.appId,
    platform: app.platform,
    currency: app.currency,
    writeKey: app.writeKey,
    secretKey: app.secretKey,
    campaigns: app.campaigns.map((campaign, at) => ({ ...campaign, ...profiles[(at + index) % profiles.length]! })),
  };
}

async function readKept<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  const parsed = schema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null;
}

/** Written whole or not at all, readable by the owner only: it holds keys. */
export async function writePrivate(file: string, value: unknown): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
}
