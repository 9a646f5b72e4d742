import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describeServerContract } from './server.contract.ts';

/** The npm package is optional: not every platform has one. */
function bunProgram(): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('bun/package.json')), 'bin', 'bun.exe');
  } catch {
    return null;
  }
}

const execPath = bunProgram();
// Bun itself gives a connection 10 seconds for its head.
if (execPath) describeServerContract({ name: 'bun', execPath, headerTimeoutMs: 10_000 });
else
  describe.skip('the collector over bun (the npm package bun is not installed on this platform)', () =>
    it('runs', () => undefined));
