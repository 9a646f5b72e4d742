import { spawn } from 'node:child_process';

/** `npm run check`: format and lint, types, import directions, dead code, SDL diff. All run; all faults are shown. */
const steps = [
  ['format and lint', 'biome', ['ci', '--error-on-warnings', '.']],
  ['types', 'tsc', ['--noEmit', '-p', '.']],
  ['types of the console', 'tsc', ['--noEmit', '-p', 'web']],
  [
    'import directions',
    'depcruise',
    [
      '--config',
      '.dependency-cruiser.cjs',
      'schema',
      'platform',
      'prisma',
      'models',
      'subgraphs',
      'ingest',
      'workers',
      'gateway',
      'cli',
      'web/src',
      'bench',
      'tests',
      'examples',
    ],
  ],
  ['dead code', 'knip', ['--no-progress']],
  ['SDL', 'node', ['.ci/sdl.ts']],
] as const;

function run(command: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0' },
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (code) => resolve({ ok: code === 0, output: Buffer.concat(chunks).toString('utf8') }));
  });
}

let failed = 0;
for (const [name, command, args] of steps) {
  const startedAt = Date.now();
  const { ok, output } = await run(command, args);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
  if (!ok) {
    failed += 1;
    console.log(output.trimEnd().split('\n').slice(-80).join('\n'));
  }
}
if (failed > 0) {
  console.log(
    `\n${failed} of ${steps.length} checks failed. \`npm run format\` mends format and some lint; \`npm run schema:update\` the SDL.`,
  );
  process.exitCode = 1;
}
