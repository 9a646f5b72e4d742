import { ask, follow } from './client.ts';
import { AppsDocument, LiveDocument } from './operations.ts';

const payloads = Number(process.env['PAYLOADS'] ?? Number.POSITIVE_INFINITY);
const { apps } = await ask(AppsDocument, {});
let seen = 0;
for await (const { liveMetrics } of follow(LiveDocument, { appId: apps[0]!.id })) {
  console.log(`${liveMetrics.at}  installs ${liveMetrics.totals.installs}  sessions ${liveMetrics.totals.sessions}`);
  seen += 1;
  if (seen >= payloads) break;
}
