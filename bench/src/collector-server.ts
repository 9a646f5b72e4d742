import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createCollector, openGeoLookup } from '@tributary/ingest/collector';
import { systemClock } from '@tributary/platform/clock';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { createLogger } from '@tributary/platform/logger';
import { createMetrics } from '@tributary/platform/metrics';
import { type DirectorySnapshot, loadConfig, sha256Hex } from '@tributary/schema';

/**
 * The server side of the collector benchmark, a process of its own on its own core: `collector` is the product's, as the
 * role runs it, on an LMDB log with a flush for every group; `ceiling` is a bare server of the same runtime that only reads
 * and parses the same bodies. Says its port, then answers `stats` over the channel.
 */
const [, , kind, dir, key] = process.argv as [string, string, 'collector' | 'ceiling', string, string];

const directory: DirectorySnapshot = {
  version: 1,
  publishedAt: 0,
  apps: [
    {
      appId: 'app_bench',
      tenantId: 'ten_bench',
      name: 'Bench',
      platform: 'android',
      enabled: true,
      timezone: 'UTC',
      currency: 'USD',
      storeUrl: null,
      ipPolicy: 'truncate',
      clickLookbackHours: 168,
      viewLookbackHours: 24,
      reinstallDays: 90,
      retentionDays: 400,
    },
  ],
  links: [],
  campaigns: [],
  goals: [],
  keys: [
    {
      keyId: 'key_bench',
      kind: 'write',
      hash: sha256Hex(key),
      tenantId: 'ten_bench',
      appIds: ['app_bench'],
      scopes: ['ingest:write'],
      enabled: true,
      // Its bucket is asked for every request, and never empty.
      rate: { perSecond: 100_000_000, burst: 100_000_000 },
      dailyQuota: 1_000_000_000_000,
    },
  ],
};

const bun = (globalThis as { readonly Bun?: BareBun }).Bun;
if (kind === 'ceiling' && bun) serveBunCeiling(bun);
else if (kind === 'ceiling') serveCeiling();
else await serveCollector();

function serveCeiling(): void {
  const server = createServer({ keepAliveTimeout: 65_000 }, (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse((chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8')) as {
        batch?: unknown[];
      };
      const text = `{"accepted":${body.batch?.length ?? 1}}`;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' && address ? address.port : 0 });
  });
  answerStats(() => ({ groups: 0, events: 0 }));
}

interface BareBun {
  serve(options: {
    readonly hostname: string;
    readonly port: number;
    readonly fetch: (request: Request) => Promise<Response>;
  }): { readonly port: number };
}

/** The same over Bun's own server. */
function serveBunCeiling(runtime: BareBun): void {
  const { port } = runtime.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const body = (await request.json()) as { batch?: unknown[] };
      return new Response(`{"accepted":${body.batch?.length ?? 1}}`, {
        headers: { 'content-type': 'application/json' },
      });
    },
  });
  process.send?.({ port });
  answerStats(() => ({ groups: 0, events: 0 }));
}

async function serveCollector(): Promise<void> {
  let groups = 0;
  let events = 0;
  const log = await openLmdbEventLog({ dir, partitions: 4 });
  const eventLog = {
    ...log,
    append: async (blocks: Parameters<typeof log.append>[0]) => {
      await log.append(blocks);
      groups += 1;
      events += blocks.reduce((sum, block) => sum + block.header.count, 0);
    },
  };
  const config = loadConfig({ TRIBUTARY_COLLECTOR_PORT: '0' });
  const collector = createCollector({
    eventLog,
    directory: {
      current: () => directory,
      onChange: () => () => undefined,
      refresh: async () => undefined,
      dispose: async () => undefined,
    },
    clock: systemClock,
    logger: createLogger('collector', 'error'),
    config,
    metrics: createMetrics('collector'),
    geo: await openGeoLookup({ file: null }),
    idSecret: 'bench',
  });
  const { url } = await collector.listen();
  process.send?.({ port: Number(new URL(url).port) });
  answerStats(() => ({ groups, events }));
}

function answerStats(counts: () => { readonly groups: number; readonly events: number }): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ ...counts(), rssMb: process.memoryUsage.rss() / 1_048_576, cpuMs: (user + system) / 1_000 });
  });
}
