import { initTenant } from '@tributary/prisma/accounts';
import type { Config } from '@tributary/schema';
import type { InitGiven } from './init-given.ts';
import { createPorts } from './ports.ts';

/** `cli init`: the first tenant, its owner, an app and keys. The keys are printed once and stored as hashes only. */
export async function runInit(config: Config, given: InitGiven, print: (line: string) => void): Promise<void> {
  const ports = createPorts(config, 'init');
  try {
    const made = await initTenant(await ports.relational(), {
      tenantName: given.tenant,
      ownerEmail: given.email,
      app: { name: given.app, platform: given.platform, currency: given.currency, timezone: given.timezone },
    });
    print(JSON.stringify(made, null, 2));
    print('The keys are shown this once. Keep them; only their hashes are stored.');
  } finally {
    await ports.disposal.dispose();
  }
}
