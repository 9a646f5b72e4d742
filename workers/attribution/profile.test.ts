import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { startTestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { loadConfig } from '@tributary/schema';
import { createAttributionWorker } from './index.ts';
import { aDirectory, anEvent, aWorld } from './world.testing.ts';
const start = Date.parse('2026-11-24T12:00:00.000Z'); const day=86400000, minute=60000, hour=3600000;
it('profiles', async () => {
  const t = await startTestWarehouse();
  const rows: object[] = [];
  for (let i = 0; i < 20000; i += 1) {
      const installedAt = start - (i % 30) * day - (i % 1_440) * minute;
      const ids = { gaid: `gaid-${i}`, anonymous_id: `anon-${i}` };
      const organic = i % 10 < 3;
      if (!organic) rows.push(anEvent('click', { campaign_id:'app_a_c1', occurred_at: installedAt - 10 * minute, gaid: ids.gaid, anonymous_id: `web-${i}`, click_id: `clk-${i}` }));
      rows.push(anEvent('install', { occurred_at: installedAt, ...ids, event_id: `i${i}`, ...(organic ? {} : { install_referrer: `click_id=clk-${i}&utm_source=t` }) }));
      if (i % 5 === 0) rows.push(anEvent('purchase', { occurred_at: installedAt + hour, ...ids, revenue_amount: '1.99', revenue_currency: 'USD' }));
      for (let s = 0; s < 8; s += 1) rows.push(anEvent('session', { occurred_at: installedAt + s * hour, ...ids }));
  }
  for (let at = 0; at < rows.length; at += 20_000) await t.warehouse.insertRows({ name: 'x', table: 'events', rows: rows.slice(at, at + 20_000) });
  const sums = new Map<string, { n: number; ms: number; rows: number }>();
  const add = (name: string, ms: number, n: number) => { const s = sums.get(name) ?? { n: 0, ms: 0, rows: 0 }; s.n++; s.ms += ms; s.rows += n; sums.set(name, s); };
  const w: Warehouse = { ...t.warehouse,
    async query(d, p, o) { const s = performance.now(); const r = await t.warehouse.query(d, p, o); add(d.name, performance.now() - s, r.length); return r; },
    async insertRows(i) { const s = performance.now(); await t.warehouse.insertRows(i); add(i.name, performance.now() - s, i.rows.length); } };
  const worker = createAttributionWorker({ warehouse: w, directory: aDirectory(aWorld()), liveBus: createMemoryLiveBus(), clock: { now: () => Date.now() }, logger: createLogger('t', 'silent'), config: loadConfig({}) });
  const s = performance.now(); const cpu = process.cpuUsage();
  const c = await worker.runOnce();
  const used = process.cpuUsage(cpu);
  const out = [`${JSON.stringify(c)} ${(performance.now() - s) / 1000} s; js cpu ${(used.user+used.system)/1e6}`];
  for (const [k, v] of sums) out.push(`${k} n=${v.n} ms=${Math.round(v.ms)} rows=${v.rows}`);
  process.stdout.write(out.join('\n') + '\n');
  await worker.dispose(); await t.dispose();
}, 120000);
