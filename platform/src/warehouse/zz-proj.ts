import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { startTestWarehouse } from './test-warehouse.testing.ts';

const t = await startTestWarehouse();
const mem = async (l: string) => {
  const s = readFileSync(`/proc/${t.pid()}/status`, 'utf8');
  console.log(
    l,
    ...['VmRSS', 'RssAnon', 'RssFile'].map(
      (k) => k + '=' + Math.round(Number(new RegExp(k + ':\\s+(\\d+)').exec(s)![1]) / 1024),
    ),
    'threads',
    /Threads:\s+(\d+)/.exec(s)![1],
  );
};
const q = (name: string, sql: string) =>
  t.warehouse.query(
    { name, sql, tenantFree: 'test', params: z.object({}), row: z.any() } as never,
    {} as never,
  ) as Promise<any[]>;
await mem('idle');
const pad = '{"s":1}';
let seq = 0;
const batch = (n: number) =>
  Buffer.from(
    Array.from({ length: n }, () => {
      const i = seq++;
      return (
        JSON.stringify({
          tenant_id: 'ten_a',
          app_id: 'app_' + (i % 5),
          event_id: 'e-' + i,
          block_id: '0199c0de-0000',
          block_index: i & 4095,
          dedupe_hash: ((i * 2654435761) % 2 ** 32).toString(16).padStart(16, '0'),
          payload_hash: '0123456789abcdef',
          source_format: 'native',
          event_name: 'click',
          event_kind: 'click',
          device_key: 'dev-' + ((i * 7919) % 100000),
          campaign_id: 'c' + (i % 40),
          country: 'DE',
          platform: 'ios',
          occurred_at: 1790000000000 + (i % 5000000) * 250,
          received_at: 1790000000000,
          properties: pad,
        }) + '\n'
      );
    }).join(''),
  );
const b0 = batch(50000);
console.log('bytes/line', b0.length / 50000);
const go = async (n: number, label: string, size = 50000) => {
  const bs = Array.from({ length: 4 }, () => batch(size));
  const s = performance.now();
  for (let i = 0; i < n; i++)
    await t.warehouse.insertBytes({ name: 'ev', table: 'events', format: 'JSONEachRow', body: bs[i % 4]! });
  const d = performance.now() - s;
  console.log(label, Math.round(((n * size) / d) * 1000), 'rows/s', (d / n).toFixed(1), 'ms/insert');
};
await go(5, 'warm');
await go(20, 'plain');
await go(50, 'plain small', 500);
await t.warehouse.execute({
  name: 'x',
  sql: 'ALTER TABLE events MODIFY SETTING fsync_after_insert=1, fsync_part_directory=1',
});
await go(20, 'fsync');
await go(50, 'fsync small', 500);
await t.warehouse.execute({
  name: 'x',
  sql: 'ALTER TABLE events RESET SETTING fsync_after_insert, fsync_part_directory',
});
await go(20, 'plain');
await mem('after');
await new Promise((r) => setTimeout(r, 8000));
await mem('8 s later');
for (const s of [
  'SYSTEM JEMALLOC PURGE',
  'SYSTEM DROP MARK CACHE',
  'SYSTEM DROP QUERY CONDITION CACHE',
  'SYSTEM DROP COMPILED EXPRESSION CACHE',
  'SYSTEM JEMALLOC PURGE',
]) {
  await t.warehouse.execute({ name: 'x', sql: s }).catch((e) => console.log(s, e.cause.message));
  await mem(s);
}
console.log(
  await q(
    'm',
    "SELECT metric, formatReadableSize(value) v FROM system.asynchronous_metrics WHERE metric LIKE 'jemalloc.%' OR metric LIKE '%Memory%' ",
  ),
);
console.log(
  await q(
    'm',
    "SELECT metric, formatReadableSize(value) v FROM system.metrics WHERE metric LIKE '%Memory%' OR metric LIKE '%Cache%Bytes' ",
  ),
);
await t.dispose();
