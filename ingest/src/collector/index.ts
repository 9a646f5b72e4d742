import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { EventLog } from '@tributary/platform/event-log';
import type { Logger } from '@tributary/platform/logger';
import type { Metrics } from '@tributary/platform/metrics';
import type { OpsHandler } from '@tributary/platform/ops-server';
import { CodedError, type Config, newId, toCodedError } from '@tributary/schema';
import { createBlockWriter } from './block-writer.ts';
import { type CollectorRequest, type CollectorResponse, createCollectorCore, errorResponse } from './core.ts';
import { createProxyCheck } from './ip.ts';
import { listenNode } from './server-node.ts';

export interface CollectorDeps {
  readonly eventLog: EventLog;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<Config, 'host' | 'ports' | 'trustedProxies'>;
  readonly metrics?: Metrics;
  /** Answers `/health`, `/ready` and `/metrics`. */
  readonly opsHandler?: OpsHandler;
  /** How long a body may take to arrive. Default `limits.bodyTimeoutMs`. */
  readonly bodyTimeoutMs?: number;
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
  const writer = createBlockWriter({ eventLog, clock, onGroup: counted.group });
  const core = createCollectorCore({ directory });
  let listening: Awaited<ReturnType<typeof listenNode>> | null = null;

  const answer = async (request: CollectorRequest): Promise<CollectorResponse> => {
    const outcome = core.handle(request);
    if (outcome.kind === 'refused') {
      counted.refused(outcome.response.status);
      return outcome.response;
    }
    try {
      await writer.append(outcome.lines, outcome.deadLetters);
    } catch (error) {
      const coded = toCodedError(error);
      counted.refused(coded.http);
      logger.warn(
        { err: coded.cause ?? coded, code: coded.code },
        'the event log did not take events; nothing was acknowledged',
      );
      return outcome.unstored(coded);
    }
    counted.stored(outcome.lines.length, outcome.deadLetters.length);
    return outcome.response;
  };

  const ops = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (deps.opsHandler?.(request, response)) return true;
    if (request.url !== '/sink-health') return false;
    void sinkHealth(eventLog).then(({ status, headers, body }) => response.writeHead(status, headers).end(body));
    return true;
  };

  return {
    async listen() {
      listening = await listenNode({
        host: config.host,
        port: config.ports.collector,
        logger,
        now: () => clock.now(),
        isTrustedProxy: createProxyCheck(config.trustedProxies),
        answer,
        ops,
        bodyTimeoutMs: deps.bodyTimeoutMs,
      });
      return { url: listening.url };
    },
    async dispose() {
      await listening?.dispose();
      await writer.dispose();
    },
  };
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
  const grouped = metrics?.counter({
    name: 'tributary_collector_grouped_events_total',
    help: 'Events in appended groups',
  });
  // Looking a label up for each request costs about a microsecond.
  const acceptedEvents = events?.labels('accepted');
  const rejectedEvents = events?.labels('rejected');
  return {
    stored: (accepted: number, rejected: number) => {
      if (accepted > 0) acceptedEvents?.inc(accepted);
      if (rejected > 0) rejectedEvents?.inc(rejected);
    },
    refused: (status: number) => refusals?.inc({ status: String(status) }),
    group: (group: { readonly events: number; readonly durationMs: number }) => {
      groups?.observe(group.durationMs / 1_000);
      grouped?.inc(group.events);
    },
  };
}
