/** The named fixture bodies of the collector benchmark: events of a mobile game, about 400 bytes each, ids unique. */
const names = ['session_start', 'level_complete', 'purchase', 'ad_revenue', 'screen'] as const;
let counter = 0;
const run = Date.now().toString(36);

export function makeEvent(nowMs: number): string {
  counter += 1;
  const name = names[counter % names.length]!;
  const money = name === 'purchase' ? ',"revenue_amount":"4.99","revenue_currency":"USD"' : '';
  return (
    `{"event_name":"${name}","event_id":"${run}-${counter}","anonymous_id":"7f1a9c04-52b3-4d1e-9a77-${String(counter % 100_000).padStart(12, '0')}","occurred_at":${nowMs - (counter % 30_000)}` +
    `,"platform":"android","os_version":"15","app_version":"4.2.0","device_model":"Pixel 9","country":"DE","locale":"de-DE","gaid":"38400000-8cf0-11bd-b23e-10b96e40000d"${money}` +
    `,"properties":{"level":${counter % 200},"mode":"ranked","coins":${counter % 5_000},"build":"2026.11.24"}}`
  );
}

export function makeBatch(nowMs: number, count: number): string {
  const events: string[] = [];
  for (let index = 0; index < count; index += 1) events.push(makeEvent(nowMs));
  return `{"batch":[${events.join(',')}],"sent_at":${nowMs}}`;
}
