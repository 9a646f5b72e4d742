import type { Cache } from '@tributary/platform/cache';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { EventLog } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Metrics } from '@tributary/platform/metrics';
import type { OpsAnswers } from '@tributary/platform/ops-server';
import { CodedError, type Config, type DirectorySnapshot, newId } from '@tributary/schema';
import { createBlockWriter } from './block-writer.ts';
import { type CollectorResponse, createCollectorCore, errorResponse } from './core.ts';
import type { Filtered } from './draft.ts';
import { createEnrichment } from './enrich/enrichment.ts';
import type { GeoLookup } from './enrich/geo-lookup.ts';
import { createProxyCheck } from './ip.ts';
import { policyOf } from './policy/app-policy.ts';
import { createQuotas } from './policy/quotas.ts';
import { createRecentClicks } from './recent-clicks.ts';
import type { ListeningServer, ServerLimits, ServerOptions } from './server.ts';
import { bunServer, isBun } from './server-bun.ts';
import { nodeServer } from './server-node.ts';

export { hashDeviceId } from './enrich/device-id-hash.ts';
export { type GeoLookup, openGeoLookup } from './enrich/geo-lookup.ts';
export { createReplayer, type Replayer } from './replay.ts';

export interface CollectorDeps {
  readonly eventLog: EventLog;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<Config, 'host' | 'ports' | 'trustedProxies'> & Partial<Pick<Config, 'collectorPublicUrl'>>;
  readonly metrics?: Metrics;
  /** Answers `/health`, `/ready` and `/metrics`. */
  readonly ops?: OpsAnswers;
  /** Shares the limits of keys and recent clicks between processes. Absent = a cache of this process, which the caller needn't dispose. */
  readonly cache?: Cache;
  /** Tells country, region and city by address. Absent = they are what clients say. */
  readonly geo?: GeoLookup;
  /** Salts the hashes of device ids; the same in every process of the installation, and for good. */
  readonly idSecret?: string;
  /** Deferred deep links are found by address and system too where nothing else is known. Default false. */
  readonly deepLinksByLikeness?: boolean;
  /** Other processes listen at the port too. Default false. */
  readonly sharesPort?: boolean;
  /** Laid over `defaultServerLimits`. */
  readonly limits?: Partial<ServerLimits>;
}

export interface Collector {
  /** Listens at `config.host` and `config.ports.collector` (0 = any free port). */
  listen(): Promise<{ readonly url: string }>;
  /** Stops taking requests, answers those under way, and ends once the log has what was taken. */
  dispose(): Promise<void>;
}

/**
 * HTTP in, event log out. A 2xx goes out only after the log's durable append of everything the request brought.
 *
 * @example
 * const collector = createCollector({ eventLog, directory, clock, logger, config });
 * const { url } = await collector.listen(); // POST `${url}/v1/events`
 */
export function createCollector(deps: CollectorDeps): Collector {
  const { eventLog, directory, clock, logger, config, metrics } = deps;
  const counted = countersOf(metrics);
  const cache = deps.cache ?? createMemoryCache({ clock });
  const writer = createBlockWriter({ eventLog, clock, onGroup: counted.group });
  const quotas = createQuotas({ cache, clock, onUnshared: counted.unsharedQuota });
  const core = createCollectorCore({
    directory,
    quotas,
    enrichment: createEnrichment({ geo: deps.geo, idSecret: deps.idSecret }),
    recentClicks: createRecentClicks({ cache, clock, byLikeness: deps.deepLinksByLikeness ?? false }),
    publicUrl: config.collectorPublicUrl ?? null,
  });
  const stopTelling = tellPolicyFaults(directory, logger);
  let listening: ListeningServer | null = null;

  const answer: ServerOptions['answer'] = (request, done) => {
    const outcome = core.handle(request);
    if (outcome.kind === 'refused') {
      counted.refused(outcome.response.status);
      return done(outcome.response);
    }
    if (outcome.kind === 'answered') return done(outcome.response);
    if (outcome.kind === 'asked') return void outcome.answer.then(done, () => done(outcome.response));
    writer.append(outcome.lines, outcome.deadLetters, (fault) => {
      if (fault === undefined) {
        counted.stored(outcome.lines.length, outcome.deadLetters.length, outcome.filtered);
        outcome.onStored?.();
        return done(outcome.response);
      }
      counted.refused(fault.http);
      logger.warn(
        { err: fault.cause ?? fault, code: fault.code },
        'the event log did not take events; nothing was acknowledged',
      );
      done(outcome.unstored(fault));
    });
  };

  const ops: OpsAnswers = (method, path) =>
    deps.ops?.(method, path) ?? (path === '/sink-health' ? sinkHealth(eventLog) : null);

  return {
    async listen() {
      const server = isBun ? bunServer : nodeServer;
      listening = await server.listen({
        host: config.host,
        port: config.ports.collector,
        logger,
        now: () => clock.now(),
        isTrustedProxy: createProxyCheck(config.trustedProxies),
        answer,
        ops,
        reusePort: deps.sharesPort ?? false,
        limits: deps.limits,
      });
      return { url: listening.url };
    },
    async dispose() {
      await listening?.dispose();
      await writer.dispose();
      await quotas.dispose();
      stopTelling();
    },
  };
}

/** Says once of each entry of an app's lists that it can't be used. */
function tellPolicyFaults(directory: Directory, logger: Logger): () => void {
  const told = new Set<string>();
  const tell = ({ apps }: DirectorySnapshot) => {
    for (const app of apps) {
      for (const fault of policyOf(app).faults) {
        if (told.has(app.appId + fault)) continue;
        told.add(app.appId + fault);
        logger.warn({ appId: app.appId, fault }, 'an entry of the intake policy is skipped');
      }
    }
  };
  tell(directory.current());
  return directory.onChange(tell);
}

/** 200 while the log takes events, 503 while it does not. */
async function sinkHealth(eventLog: EventLog): Promise<CollectorResponse> {
  try {
    await eventLog.checkHealth();
    return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"ok"}' };
  } catch (error) {
    return errorResponse(
      error instanceof CodedError ? error : new CodedError('LOG_UNAVAILABLE', { cause: error }),
      newId('request'),
    );
  }
}

function countersOf(metrics: Metrics | undefined) {
  const events = metrics?.counter({
    name: 'tributary_collector_events_total',
    help: 'Events by verdict',
    labelNames: ['verdict'],
  });
  const refusals = metrics?.counter({
    name: 'tributary_collector_refused_requests_total',
    help: 'Requests refused, by HTTP status',
    labelNames: ['status'],
  });
  const groups = metrics?.histogram({
    name: 'tributary_collector_append_seconds',
    help: 'Time of one durable append of a group',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  });
  const unsharedQuotas = metrics?.counter({
    name: 'tributary_collector_quota_unshared_total',
    help: 'Limits of keys that were not shared with other processes, since the cache was away',
  });
  const grouped = metrics?.counter({
    name: 'tributary_collector_grouped_events_total',
    help: 'Events in appended groups',
  });
  // Looking a label up for each request costs about a microsecond.
  const acceptedEvents = events?.labels('accepted');
  const rejectedEvents = events?.labels('rejected');
  const blockedEvents = events?.labels('blocked');
  const sampledOutEvents = events?.labels('sampled_out');
  return {
    stored: (accepted: number, rejected: number, filtered?: Filtered) => {
      if (accepted > 0) acceptedEvents?.inc(accepted);
      if (rejected > 0) rejectedEvents?.inc(rejected);
      if (filtered && filtered.blocked > 0) blockedEvents?.inc(filtered.blocked);
      if (filtered && filtered.sampledOut > 0) sampledOutEvents?.inc(filtered.sampledOut);
    },
    unsharedQuota: () => unsharedQuotas?.inc(),
    refused: (status: number) => refusals?.inc({ status: String(status) }),
    group: (group: { readonly events: number; readonly durationMs: number }) => {
      groups?.observe(group.durationMs / 1_000);
      grouped?.inc(group.events);
    },
  };
}
