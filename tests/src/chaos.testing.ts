import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  childPid,
  type Family,
  freePorts,
  isReady,
  killHard,
  startFamily,
  temporaryDir,
  until,
} from './family.testing.ts';
import type { ProductApp } from './product.testing.ts';

export interface ChaosOptions {
  /** How often the whole family is killed with signal 9 and started again. */
  readonly familyKills: number;
  /** How often the warehouse child alone, then the consumer alone, is killed; the rest runs on. */
  readonly warehouseKills: number;
  readonly consumerKills: number;
  readonly print: (line: string) => void;
}

export interface ChaosResult {
  /** Events that the collector acknowledged. */
  readonly acknowledged: number;
  readonly rows: number;
  readonly distinct: number;
  readonly missing: number;
  /** Minutes whose aggregate differs from its rows. */
  readonly unequalMinutes: number;
  readonly aggregatedEvents: number;
  readonly installs: number;
  readonly decidedInstalls: number;
  /** (install, revision) pairs that were decided twice with different outcomes. */
  readonly contradictions: number;
  readonly resent: number;
}

const batchSize = 60;
/** Keeps the load near 1,000 events/s: under every outage, yet with batches in flight at every kill. */
const pauseMs = 150;

/**
 * Load under kill −9: every batch holds events of two months, clicks and installs among them; what was not acknowledged is
 * sent again under the same ids, as an SDK does. At the end everything acknowledged must be in the warehouse once.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const folder = await temporaryDir();
  const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
  const start = () =>
    startFamily({
      dataDir: folder.dir,
      ports: { gateway, collector, warehouse },
      args: ['--demo', '--rate', '0', '--installs-per-day', '0'],
    });
  let family = await start();
  const world = JSON.parse(await readFile(join(folder.dir, 'demo-world.json'), 'utf8')) as { apps: ProductApp[] };
  const app = world.apps.find((item) => item.platform === 'android')!;
  const load = startLoad(family.collectorUrl, app);
  try {
    for (let kill = 1; kill <= options.familyKills; kill += 1) {
      await moreAcknowledged(load, 300 + Math.floor(Math.random() * 1_200));
      await family.killAll();
      family = await start();
      options.print(`family killed ${kill} of ${options.familyKills}, ${load.ledger.size} acknowledged`);
    }
    await killChildren('warehouse', '--role warehouse', options.warehouseKills, family, load, options.print);
    await killChildren('consumer', '--role consumer', options.consumerKills, family, load, options.print);
    await moreAcknowledged(load, 500);
    await load.stop();
    return await judge(family, load, app.appId, options.print);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${family.output()}`, { cause: error });
  } finally {
    await load.stop();
    await family.stop();
    await folder.dispose();
  }
}

async function killChildren(
  name: string,
  text: string,
  times: number,
  family: Family,
  load: Load,
  print: (line: string) => void,
): Promise<void> {
  for (let kill = 1; kill <= times; kill += 1) {
    await moreAcknowledged(load, 200 + Math.floor(Math.random() * 800));
    const pid = await until(() => childPid(family.main.pid!, text), 30_000);
    killHard(pid);
    await until(async () => {
      const next = await childPid(family.main.pid!, text);
      return next !== null && next !== pid;
    }, 30_000);
    print(`${name} killed ${kill} of ${times}, ${load.ledger.size} acknowledged`);
  }
}

async function moreAcknowledged(load: Load, count: number): Promise<void> {
  const wanted = load.ledger.size + count;
  await until(async () => load.ledger.size >= wanted, 120_000);
}

interface Load {
  readonly ledger: ReadonlySet<string>;
  readonly installs: ReadonlySet<string>;
  resent(): number;
  stop(): Promise<void>;
}

function startLoad(collectorUrl: string, app: ProductApp): Load {
  const ledger = new Set<string>();
  const installs = new Set<string>();
  let resent = 0;
  let stopping = false;
  const send = async (events: readonly Record<string, unknown>[]) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const response = await fetch(`${collectorUrl}/v1/events`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${app.secretKey}` },
          body: JSON.stringify({ batch: events }),
          signal: AbortSignal.timeout(10_000),
        });
        const answer = (await response.json()) as { accepted?: number; rejected?: unknown[] };
        if (response.status === 200 && answer.accepted === events.length) break;
        if (response.status === 200 || response.status < 429)
          throw new TypeError(`refused: ${response.status} ${JSON.stringify(answer).slice(0, 300)}`);
      } catch (error) {
        if (error instanceof TypeError && error.message.startsWith('refused')) throw error;
      }
      if (attempt === 0) resent += 1;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    for (const event of events) {
      ledger.add(String(event['event_id']));
      if (event['event_name'] === 'install') installs.add(String(event['event_id']));
    }
  };
  const worker = async () => {
    while (!stopping) {
      await send(makeBatch(app));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const working = Promise.all([worker(), worker(), worker()]);
  working.catch(() => undefined);
  return {
    ledger,
    installs,
    resent: () => resent,
    async stop() {
      stopping = true;
      await working;
    },
  };
}

/** Half of this month, half of the one before; some of it a click with its install. */
function makeBatch(app: ProductApp): Record<string, unknown>[] {
  const now = Date.now();
  const lastMonth = now - 32 * 86_400_000;
  const events: Record<string, unknown>[] = [];
  for (let index = 0; index < batchSize; index += 1) {
    const at = index % 2 === 0 ? now - index * 1_000 : lastMonth - index * 1_000;
    const gaid = randomUUID();
    if (index % 20 === 0) {
      const campaign = app.campaigns[index % app.campaigns.length]!;
      events.push({
        event_name: 'click',
        event_kind: 'click',
        event_id: randomUUID(),
        occurred_at: at - 60_000,
        gaid,
        campaign_id: campaign.campaignId,
        network: campaign.network,
      });
      events.push({ event_name: 'install', event_id: randomUUID(), occurred_at: at, gaid, anonymous_id: randomUUID() });
    } else {
      events.push({
        event_name: index % 3 === 0 ? 'purchase' : 'session_start',
        event_id: randomUUID(),
        occurred_at: at,
        anonymous_id: gaid,
        ...(index % 3 === 0 ? { revenue_amount: '1.25', revenue_currency: 'USD' } : {}),
      });
    }
  }
  return events;
}

async function judge(family: Family, load: Load, appId: string, print: (line: string) => void): Promise<ChaosResult> {
  const ask = async <T>(sql: string): Promise<T[]> => {
    const response = await fetch(
      `${family.warehouseUrl}/?database=tributary&default_format=JSONEachRow&param_app=${appId}`,
      { method: 'POST', body: sql },
    );
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  };
  await until(() => isReady(family.collectorUrl), 30_000);
  // Everything acknowledged arrives; then nothing may come on top.
  const countOf = (sql: string) => async () => Number((await ask<{ n: string }>(sql))[0]!.n);
  await untilReached(countOf(storedSql), load.ledger.size).catch((error: Error) => print(`stored: ${error.message}`));
  await untilReached(countOf(decidedSql), load.installs.size).catch((error: Error) =>
    print(`decided: ${error.message}`),
  );
  const [rows] = await ask<{ rows: string; distinct: string }>(
    'SELECT count() AS rows, uniqExact(event_id) AS distinct FROM events WHERE app_id = {app:String} SETTINGS optimize_use_projections = 0',
  );
  const stored = new Set(
    (await ask<{ event_id: string }>('SELECT event_id FROM events WHERE app_id = {app:String}')).map(
      (row) => row.event_id,
    ),
  );
  const perMinute = (useProjections: 0 | 1) =>
    `SELECT toString(toStartOfMinute(occurred_at)) AS minute, event_name, toString(count()) AS n, toString(sum(revenue_amount)) AS revenue FROM events WHERE app_id = {app:String} GROUP BY toStartOfMinute(occurred_at), event_name ORDER BY minute, event_name SETTINGS optimize_use_projections = ${useProjections}`;
  const [byProjection, byRows] = await Promise.all([
    ask<{ minute: string; event_name: string; n: string; revenue: string }>(perMinute(1)),
    ask<{ minute: string; event_name: string; n: string; revenue: string }>(perMinute(0)),
  ]);
  const textOf = (row: object) => JSON.stringify(row);
  const rowTexts = new Set(byRows.map(textOf));
  const [decisions] = await ask<{ n: string }>(decidedSql);
  const [contradictions] = await ask<{ n: string }>(
    'SELECT count() AS n FROM (SELECT install_id, revision FROM install_attributions WHERE app_id = {app:String} GROUP BY install_id, revision HAVING uniqExact(campaign_id, rule, touchpoint_id) > 1)',
  );
  return {
    acknowledged: load.ledger.size,
    rows: Number(rows!.rows),
    distinct: Number(rows!.distinct),
    missing: [...load.ledger].filter((id) => !stored.has(id)).length,
    unequalMinutes:
      byProjection.filter((row) => !rowTexts.has(textOf(row))).length + Math.abs(byProjection.length - byRows.length),
    aggregatedEvents: byProjection.reduce((sum, row) => sum + Number(row.n), 0),
    installs: load.installs.size,
    decidedInstalls: Number(decisions!.n),
    contradictions: Number(contradictions!.n),
    resent: load.resent(),
  };
}

/** Waits as long as the count grows: what was acknowledged during an outage takes its time. */
async function untilReached(count: () => Promise<number>, wanted: number): Promise<void> {
  let best = -1;
  let bestAt = Date.now();
  await until(
    async () => {
      const now = await count().catch(() => best);
      if (now > best) [best, bestAt] = [now, Date.now()];
      return now >= wanted || Date.now() - bestAt > stalledMs;
    },
    30 * 60_000,
    500,
  );
  if (best < wanted) throw new Error(`${best} of ${wanted}, and no more for ${stalledMs / 1_000} s`);
}

const stalledMs = 45_000;
const storedSql = 'SELECT uniqExact(event_id) AS n FROM events WHERE app_id = {app:String}';
const decidedSql = 'SELECT uniqExact(install_id) AS n FROM install_attributions WHERE app_id = {app:String}';
