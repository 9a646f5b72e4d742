import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

describe('the module in WebAssembly', () => {
  it('is what its source is compiled to', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tributary-wasm-'));
    const compiler = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin/asc.js');
    try {
      const file = join(dir, 'line-core.wasm');
      await promisify(execFile)(
        process.execPath,
        [compiler, 'wasm/line-core.ts', '--config', 'wasm/asconfig.json', '--outFile', file],
        { cwd: fileURLToPath(new URL('../../..', import.meta.url)) },
      );
      const kept = await readFile(new URL('./line-core.wasm', import.meta.url));
      expect((await readFile(file)).equals(kept)).toBe(true);
    } finally {
      await rm(dir, { recursive: true });
    }
  }, 120_000);
});
