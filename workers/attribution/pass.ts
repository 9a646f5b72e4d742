import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { InstallAttribution } from '@tributary/schema';
import { namesOneDevice } from '@tributary/subgraphs/attribution/domain';
import { type AppFacts, appFactsOf } from './app-facts.ts';
import { batchesOf } from './batches.ts';
import { buildJourneys } from './build-journeys.ts';
import { decideInstalls, isTrigger, readAffectedInstalls } from './decide-installs.ts';
import { createDecisionStore } from './decision-store.ts';
import { openEventReader } from './event-reader.ts';
import type { FirstBuilds } from './first-builds.ts';
import { createJourneyStore } from './journey-store.ts';
import { idsOf } from './keys.ts';
import type { NewEvent } from './scan-reader.ts';

export interface PassDeps {
  readonly warehouse: Warehouse;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly firstBuilds: FirstBuilds;
}

export interface PassCounts {
  readonly events: number;
  readonly decisions: number;
  readonly journeys: number;
}

const minuteMs = 60_000;
/** Apps worked on side by side: each waits mostly for the warehouse. */
const appsAtOnce = 4;

/**
 * What is done with a page of new events: per app, decide the installs they touch, then build the journeys they touch.
 * Doing it again changes nothing, since only outcomes that differ from the stored ones are written.
 */
export function createPass(deps: PassDeps): (events: readonly NewEvent[]) => Promise<PassCounts> {
  const { warehouse, directory, liveBus, clock, logger, firstBuilds } = deps;
  const decisionStore = createDecisionStore(warehouse);
  const journeyStore = createJourneyStore(warehouse);

  const passApp = async (app: AppFacts, events: readonly NewEvent[]): Promise<PassCounts> => {
    const counts = { events: events.length, decisions: 0, journeys: 0 };
    const reader = await openEventReader(warehouse, app, [...new Set(app.goals.map((goal) => goal.eventKind))]);
    const decisions = { reader, store: decisionStore, clock };
    const journeys = { reader, store: journeyStore, clock, liveBus, firstBuilds };
    const keysOf = (event: NewEvent) => [
      ...idsOf(event),
      isTrigger(event) ? event.ref : '',
      event.deviceKey,
      event.clickId,
    ];
    for (const batch of batchesOf(byDevice(events), keysOf)) {
      const affected = await readAffectedInstalls({ reader }, app, batch);
      const changed = await decideInstalls(decisions, app, affected);
      // Told before the journeys are built: whoever looks at installs need not wait for them.
      publish(app, changed);
      counts.decisions += changed.length;
      counts.journeys += await buildJourneys(journeys, app, batch, affected);
    }
    return counts;
  };

  const publish = ({ tenantId, appId }: AppFacts, changed: readonly InstallAttribution[]) => {
    if (changed.length === 0) return;
    const at = clock.now();
    // The minute that runs too: sessions of these installs move to their campaign.
    const minutes = [...new Set([...changed.map((one) => one.installedAt), at].map(minuteOf))].sort((a, b) => a - b);
    liveBus.publish('metrics.touched', { tenantId, appId, minutes, events: changed.length, at });
    for (const { installId, revision } of changed) {
      liveBus.publish('install.attributed', { tenantId, appId, installId, revision, at });
    }
  };

  return async (events) => {
    // An event may be here before the poll that brings its new app or campaign.
    await directory.refresh();
    const byApp = [...Map.groupBy(events, (event) => `${event.tenantId}/${event.appId}`).values()];
    const total = { events: 0, decisions: 0, journeys: 0 };
    for (let at = 0; at < byApp.length; at += appsAtOnce) {
      const counts = await Promise.all(
        byApp.slice(at, at + appsAtOnce).map(async (own) => {
          const [first] = own;
          const app = first && appFactsOf(directory.current(), first.tenantId, first.appId);
          if (app) return passApp(app, own);
          logger.warn(
            { appId: first?.appId, events: own.length },
            'events of an app that the directory lacks were left',
          );
          return { events: own.length, decisions: 0, journeys: 0 };
        }),
      );
      for (const one of counts) {
        total.events += one.events;
        total.decisions += one.decisions;
        total.journeys += one.journeys;
      }
    }
    return total;
  };
}

/** Brings the events of a device together, so that its install and clicks are mostly of one batch and it is decided once. */
function byDevice(events: readonly NewEvent[]): NewEvent[] {
  const keyed = events.map((event) => ({ event, key: idsOf(event).find(namesOneDevice) ?? event.clickId }));
  keyed.sort((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1));
  return keyed.map(({ event }) => event);
}

const minuteOf = (ms: number): number => Math.floor(ms / minuteMs) * minuteMs;
