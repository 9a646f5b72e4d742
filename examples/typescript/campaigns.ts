import { ask } from './client.ts';
import { AppsDocument, CampaignsDocument } from './operations.ts';

const { apps } = await ask(AppsDocument, {});
for (const { id, name } of apps) {
  const { app, campaigns } = await ask(CampaignsDocument, { appId: id, range: { lastDays: 30 } });
  console.log(
    `${name}: ${app?.metrics.installs} installs, ${app?.metrics.revenue.amount} ${app?.metrics.revenue.currency}`,
  );
  for (const { node } of campaigns.edges)
    console.log(
      `  ${node.name}: ${node.spend.amount} ${node.spend.currency}, ${node.installs} installs, ROAS ${node.roas ?? '-'}`,
    );
}
