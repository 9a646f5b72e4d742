import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { EventLog } from '@tributary/platform/event-log';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { createLogger } from '@tributary/platform/logger';
import {
  type CanonicalEvent,
  type DeadLetter,
  type DirectoryApp,
  type DirectoryKey,
  type DirectoryLink,
  type DirectorySnapshot,
  type LogBlock,
  loadConfig,
  parseEventLine,
  sha256Hex,
} from '@tributary/schema';
import { buildBlocks } from './blocks.ts';
import { type CollectorCoreDeps, type CollectorOutcome, type CollectorRequest, createCollectorCore } from './core.ts';
import type { PendingLine } from './draft.ts';
import { type Collector, type CollectorDeps, createCollector } from './index.ts';
import type { Lines } from './pass-through/staged-lines.ts';

/** 2026-11-24T12:00:00Z */
export const now = Date.UTC(2026, 10, 24, 12);
export const writeKey = 'trk_write_test';
export const secretKey = 'trk_secret_test';

export function anApp(overrides: Partial<DirectoryApp> = {}): DirectoryApp {
  return {
    appId: 'app_1',
    tenantId: 'ten_1',
    name: 'Game',
    platform: 'android',
    enabled: true,
    timezone: 'UTC',
    currency: 'EUR',
    storeUrl: null,
    ipPolicy: 'truncate',
    clickLookbackHours: 168,
    viewLookbackHours: 24,
    reinstallDays: 90,
    retentionDays: 400,
    ...overrides,
  };
}

export function aKey(text: string, overrides: Partial<DirectoryKey> = {}): DirectoryKey {
  return {
    keyId: `key_${text}`,
    kind: 'write',
    hash: sha256Hex(text),
    tenantId: 'ten_1',
    appIds: ['app_1'],
    scopes: ['ingest:write'],
    enabled: true,
    ...overrides,
  };
}

export function aLink(overrides: Partial<DirectoryLink> = {}): DirectoryLink {
  return {
    linkId: 'lnk_1',
    slug: 'summer',
    tenantId: 'ten_1',
    appId: 'app_1',
    campaignId: 'cmp_1',
    network: 'acme',
    targetUrl: 'https://example.com/get',
    expiresAt: null,
    ...overrides,
  };
}

export function aSnapshot(overrides: Partial<DirectorySnapshot> = {}): DirectorySnapshot {
  return {
    version: 1,
    publishedAt: now,
    apps: [anApp(), anApp({ appId: 'app_off', enabled: false })],
    links: [aLink()],
    campaigns: [],
    goals: [],
    keys: [
      aKey(writeKey),
      aKey(secretKey, { kind: 'secret', scopes: ['ingest:write', 'ingest:backfill'] }),
      aKey('trk_api_test', { kind: 'api', scopes: ['read:reports'] }),
      aKey('trk_disabled', { enabled: false }),
      aKey('trk_unscoped', { scopes: [] }),
      aKey('trk_off', { appIds: ['app_off'] }),
    ],
    ...overrides,
  };
}

export function aDirectory(snapshot = aSnapshot()): Directory {
  return {
    current: () => snapshot,
    onChange: () => () => undefined,
    refresh: async () => undefined,
    dispose: async () => undefined,
  };
}

export function anEvent(overrides: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    event_name: 'level_complete',
    event_id: 'e-1',
    anonymous_id: 'a-1',
    occurred_at: now - 60_000,
    properties: { level: 3 },
    ...overrides,
  };
}

export function aRequest(body: unknown, overrides: Partial<CollectorRequest> = {}): CollectorRequest {
  return {
    method: 'POST',
    path: '/v1/events',
    query: '',
    authorization: `Bearer ${writeKey}`,
    header: () => undefined,
    userAgent: null,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    remoteAddress: '203.0.113.77',
    receivedAt: now,
    requestId: 'req_1',
    ...overrides,
  };
}

export interface Collected {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly answer: Record<string, unknown>;
  readonly events: readonly CanonicalEvent[];
  readonly deadLetters: readonly DeadLetter[];
}

/** What the core makes of a request, its lines completed by blocks and parsed by the schema, in order of arrival. */
export function collect(
  request: CollectorRequest,
  snapshot = aSnapshot(),
  deps: Partial<CollectorCoreDeps> = {},
): Collected {
  return collectedFrom(createCollectorCore({ directory: aDirectory(snapshot), ...deps }).handle(request));
}

export function collectedFrom(outcome: CollectorOutcome): Collected {
  const { status, headers, body } = outcome.response;
  const stored = outcome.kind === 'store' ? outcome : { lines: [], deadLetters: [] };
  return {
    status,
    headers,
    answer: headers['content-type'] === 'application/json' ? (JSON.parse(body) as Record<string, unknown>) : {},
    events: eventsOf(buildBlocks([{ lines: stored.lines, deadLetters: [] }], 1, now, Number.MAX_SAFE_INTEGER)),
    deadLetters: stored.deadLetters,
  };
}

/** The event of a request that holds one. */
export function collectOne(event: unknown, overrides: Partial<CollectorRequest> = {}): CanonicalEvent {
  const { events, answer } = collect(aRequest(event, overrides));
  if (events.length !== 1) throw new Error(`not one event: ${JSON.stringify(answer)}`);
  return events[0]!;
}

/** Why the one event of a request was refused. */
export function refusalOf(event: unknown, overrides: Partial<CollectorRequest> = {}): { code: string; field: string } {
  const { answer } = collect(aRequest(event, overrides));
  const [rejected] = (answer['rejected'] ?? []) as { code: string; field: string }[];
  if (!rejected) throw new Error(`nothing was refused: ${JSON.stringify(answer)}`);
  return { code: rejected.code, field: rejected.field };
}

/** Lines of either way, to be kept. */
export function pendingOf(lines: Lines): readonly PendingLine[] {
  return 'staged' in lines ? lines.lasting() : lines;
}

export function linesOf(block: LogBlock): string[] {
  return Buffer.from(block.body).toString('utf8').split('\n').slice(0, -1);
}

export function eventsOf(blocks: readonly LogBlock[]): CanonicalEvent[] {
  return blocks.filter(({ header }) => header.kind === 'events').flatMap((block) => linesOf(block).map(parseEventLine));
}

export function deadLettersOf(blocks: readonly LogBlock[]): DeadLetter[] {
  return blocks
    .filter(({ header }) => header.kind === 'dead_letters')
    .flatMap((block) => linesOf(block).map((line) => JSON.parse(line) as DeadLetter));
}

export interface TestCollector {
  readonly url: string;
  readonly log: EventLog;
  readonly collector: Collector;
  /** All blocks that the log holds now. */
  stored(): Promise<readonly LogBlock[]>;
  post(body: string | Uint8Array | ReadableStream, headers?: Record<string, string>, path?: string): Promise<Response>;
  dispose(): Promise<void>;
}

/** A collector as the role runs it, on a real log in a directory of its own; `deps` are laid over. */
export async function openTestCollector(
  deps: Partial<CollectorDeps> & { readonly wrapLog?: (log: EventLog) => EventLog } = {},
): Promise<TestCollector> {
  const { wrapLog = (log: EventLog) => log, ...rest } = deps;
  const dir = await mkdtemp(join(tmpdir(), 'tributary-collector-'));
  const log = await openLmdbEventLog({ dir, partitions: 2 });
  const clock: Clock = { now: () => now };
  const collector = createCollector({
    eventLog: wrapLog(log),
    directory: aDirectory(),
    clock,
    logger: createLogger('collector', 'silent'),
    config: loadConfig({ TRIBUTARY_COLLECTOR_PORT: '0' }),
    ...rest,
  });
  const { url } = await collector.listen();
  return {
    url,
    log,
    collector,
    stored: () => readAllOf(log),
    post: (body, headers = {}, path = '/v1/events') =>
      fetch(`${url}${path}`, {
        method: 'POST',
        body: body as BodyInit,
        headers: { authorization: `Bearer ${writeKey}`, 'content-type': 'application/json', ...headers },
        ...({ duplex: 'half' } as object),
      }),
    async dispose() {
      await collector.dispose();
      await log.dispose();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export async function readAllOf(log: EventLog): Promise<LogBlock[]> {
  const reader = await log.openReader({ group: `test-${Math.random()}` });
  const blocks: LogBlock[] = [];
  try {
    for (;;) {
      const records = await reader.next({ maxBytes: 64 * 1_048_576, waitMs: 0 });
      if (records.length === 0) return blocks;
      blocks.push(...records);
    }
  } finally {
    await reader.dispose();
  }
}

/** A promise that is settled by hand. */
export function aGate(): { readonly opened: Promise<void>; open(): void; fail(error: unknown): void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve(), fail: reject };
}
