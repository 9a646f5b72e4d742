import type { Config } from '@tributary/schema';
import { createPorts } from './ports.ts';

/** `cli migrate`: both schemas up to date, for a start of roles that should find them so. Idempotent. */
export async function runMigrate(config: Config, print: (line: string) => void): Promise<void> {
  const ports = createPorts(config, 'migrate');
  try {
    await ports.relational();
    print('relational store: up to date');
    await ports.warehouse();
    print('warehouse: up to date');
  } finally {
    await ports.disposal.dispose();
  }
}
