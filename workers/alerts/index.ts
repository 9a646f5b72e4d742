import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import { CodedError, type Config } from '@tributary/schema';
import { createWake } from '../src/wake.ts';
import { deliverFirings } from './deliver.ts';
import { evaluateAlerts } from './evaluate.ts';
import { createMailer } from './mailer.ts';
import { createMetricReader } from './metric-reader.ts';
import { createOutbound } from './outbound.ts';
import { pullDueCosts } from './pull-costs.ts';
import type { AlertStore, CostImportStore } from './stores.ts';

export interface AlertWorkerDeps {
  readonly warehouse: Warehouse;
  /** `createAlertStore(relational)` of @tributary/prisma. */
  readonly alerts: AlertStore;
  /** `createCostImportStore(relational)` of @tributary/prisma. */
  readonly costImports: CostImportStore;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<Config, 'mail' | 'outboundPrivate'>;
  /** The one that the campaigns subgraph is wired with: it seals and signs. */
  readonly signingSecret: string;
  /** How often an alert is looked at. Default one minute. */
  readonly everyMs?: number;
}

/** The loops that look at alerts, send what fired, and pull costs. */
export interface AlertWorker {
  /** Resolves once it runs. */
  start(): Promise<void>;
  /** Rejects with NOT_READY while no pass ended for two minutes. */
  ready(): Promise<void>;
  /** One pass of everything that is due; for tests and tools. Not beside a started loop. */
  runOnce(): Promise<{
    readonly evaluated: number;
    readonly fired: number;
    readonly sent: number;
    readonly pulled: number;
  }>;
  /** Ends after the step in work. Idempotent. */
  dispose(): Promise<void>;
}

const passMs = 5_000;
const staleMs = 120_000;

/**
 * Any number of these may run: firings, messages and pulls are claimed in the store. A message is sent at least once; its id
 * tells repeats.
 *
 * @example
 * const worker = createAlertWorker({ ...deps, alerts: createAlertStore(relational), costImports: createCostImportStore(relational) });
 * await worker.start();
 */
export function createAlertWorker(deps: AlertWorkerDeps): AlertWorker {
  const { clock, logger, config, everyMs = 60_000 } = deps;
  const mailer = createMailer(config.mail);
  const outbound = createOutbound({ allowPrivate: config.outboundPrivate });
  const shared = {
    ...deps,
    mailer,
    outbound,
    metrics: createMetricReader(deps.warehouse),
    everyMs,
    mayMail: mailer !== null,
  };
  const wake = createWake();
  let stopping = false;
  let progressAt = clock.now();
  let loops: Promise<unknown> = Promise.resolve();
  const stopped = () => stopping;

  /** A loop of its own for each, so that a slow source holds up no alert. */
  const loop = async (what: string, pass: () => Promise<unknown>, sleep: (ms: number) => Promise<void>) => {
    while (!stopping) {
      try {
        await pass();
        progressAt = clock.now();
      } catch (error) {
        if (!stopping) logger.error({ err: error, what }, 'a pass failed; it is repeated');
      }
      await sleep(passMs);
    }
  };
  const watch = async () => {
    const looked = await evaluateAlerts(shared, stopped);
    return { ...looked, sent: await deliverFirings(shared, stopped) };
  };
  const pullWake = createWake();
  let disposed: Promise<void> | null = null;
  return {
    async start() {
      progressAt = clock.now();
      loops = Promise.all([
        loop('alerts', watch, (ms) => wake.wait(ms)),
        loop(
          'costs',
          () => pullDueCosts(shared, stopped),
          (ms) => pullWake.wait(ms),
        ),
      ]);
    },
    async ready() {
      if (stopping || clock.now() - progressAt > staleMs) {
        throw new CodedError('NOT_READY', { message: 'No pass over alerts or costs ended for two minutes.' });
      }
    },
    async runOnce() {
      return { ...(await watch()), pulled: await pullDueCosts(shared, stopped) };
    },
    dispose() {
      disposed ??= (async () => {
        stopping = true;
        wake.soon(0);
        pullWake.soon(0);
        await loops;
        wake.dispose();
        pullWake.dispose();
        mailer?.dispose();
      })();
      return disposed;
    },
  };
}
