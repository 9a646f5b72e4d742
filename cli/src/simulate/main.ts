import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Logger } from '@tributary/platform/logger';
import { demoFiles, demoWorldSchema, writePrivate } from '../demo.ts';
import { untilStopped } from '../role.ts';
import { readyMessage } from '../supervisor.ts';
import { sendBackfill, simulateLive } from './live.ts';
import { createPoster } from './post.ts';

export interface SimulateOptions {
  readonly dataDir: string;
  readonly collectorUrl: string;
  /** Events per second, about. */
  readonly rate: number;
  /** New people per app and day in the backfill. */
  readonly installsPerDay: number;
  readonly logger: Logger;
  readonly print: (line: string) => void;
}

/** Backfills the demo world once, then posts live traffic until stopped. */
export async function runSimulator(options: SimulateOptions): Promise<void> {
  const files = demoFiles(options.dataDir);
  const world = demoWorldSchema.parse(JSON.parse(await readFile(files.world, 'utf8')));
  const poster = createPoster(options.collectorUrl);
  const stop = new AbortController();
  const stopped = untilStopped().then(() => stop.abort());
  process.send?.(readyMessage);
  try {
    const live = simulateLive({ seed: world.seed, apps: world.apps, poster, rate: options.rate, signal: stop.signal });
    if (!existsSync(files.backfilled)) await backfill(options, world, poster, stop.signal);
    await live;
  } finally {
    poster.dispose();
    await stopped;
  }
}

async function backfill(
  options: SimulateOptions,
  world: Awaited<ReturnType<typeof demoWorldSchema.parse>>,
  poster: ReturnType<typeof createPoster>,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = Date.now();
  const events = await sendBackfill({
    seed: world.seed,
    apps: world.apps,
    poster,
    fromMs: world.backfillFromMs,
    toMs: world.backfillToMs,
    installsPerDay: options.installsPerDay,
    signal,
    onProgress: ({ day, days, events: sent }) => {
      if (day % 5 === 0 || day === days)
        options.print(`  demo history: day ${day} of ${days}, ${sent.toLocaleString('en')} events sent`);
    },
  });
  if (signal.aborted) return;
  await writePrivate(demoFiles(options.dataDir).backfilled, { events, seconds: (Date.now() - startedAt) / 1000 });
}
