import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Conversion } from '@tributary/schema';
import { buildJourney, journeyDays, namesOneDevice } from '@tributary/subgraphs/attribution/domain';
import type { AppFacts } from './app-facts.ts';
import { batchesOf } from './batches.ts';
import { isTrigger, maxOf, minOf, touchpointMatcher } from './decide-installs.ts';
import type { AppRange, EventReader, GoalEventRow, InstallRow } from './event-reader.ts';
import type { FirstBuilds } from './first-builds.ts';
import { type InstallJourney, type JourneyStore, journeyChanged } from './journey-store.ts';
import { deviceIdListsOf, distinct, idsOf } from './keys.ts';
import type { NewEvent } from './scan-reader.ts';

const dayMs = 86_400_000;
/** An install further back than this tells nothing of a conversion's device any more. */
const installReachMs = 400 * dayMs;

export interface JourneyDeps {
  readonly reader: EventReader;
  readonly store: JourneyStore;
  readonly clock: Clock;
  readonly liveBus: LiveBus;
  readonly firstBuilds: FirstBuilds;
}

/** A conversion and the event that it is. */
interface GoalConversion extends Conversion {
  readonly event: GoalEventRow;
  /** Nothing can be stored of it yet. */
  readonly isFirst: boolean;
}

/**
 * Builds the journeys that new events may change: of new conversions, and of earlier ones whose device got a new click,
 * impression or install. Returns how many were written.
 */
export async function buildJourneys(
  deps: JourneyDeps,
  app: AppFacts,
  events: readonly NewEvent[],
  affectedInstalls: readonly InstallRow[],
): Promise<number> {
  const own = new Map<string, GoalEventRow>(
    events.filter((event) => namesOneDevice(event.deviceKey)).map((event) => [event.ref, event]),
  );
  const goalEvents = new Map(own);
  for (const event of await readGoalEvents(deps, app, events, affectedInstalls)) goalEvents.set(event.ref, event);
  const conversions = [...goalEvents.values()].flatMap((event) =>
    conversionsOf(app, event, own.has(event.ref) && deps.firstBuilds.isFirst(event)),
  );
  deps.firstBuilds.built(conversions.flatMap(({ event }) => (own.has(event.ref) ? [] : [event])));
  const keysOf = ({ event, conversionId, isFirst }: GoalConversion) => [
    ...idsOf(event),
    event.deviceKey,
    isFirst ? '' : conversionId,
  ];
  let written = 0;
  for (const batch of batchesOf(conversions, keysOf)) written += await buildBatch(deps, app, batch);
  return written;
}

/** Events of the goals' kinds on the devices that got a new click, impression or install; earlier ones can't change. */
async function readGoalEvents(
  { reader }: JourneyDeps,
  app: AppFacts,
  events: readonly NewEvent[],
  affectedInstalls: readonly InstallRow[],
): Promise<GoalEventRow[]> {
  const triggers = events.filter(isTrigger);
  if (triggers.length === 0) return [];
  const times = triggers.map((event) => event.occurredAt);
  const range = {
    tenantId: app.tenantId,
    appId: app.appId,
    fromMs: minOf(times),
    toMs: maxOf(times) + journeyDays * dayMs,
  };
  const engagements = triggers.filter((event) => event.kind === 'click' || event.kind === 'impression');
  const devices = distinct([...triggers, ...affectedInstalls].map((one) => one.deviceKey));
  const found: GoalEventRow[] = [];
  let first = true;
  for (const deviceKeys of batchesOf(devices, (key) => [key])) {
    // The ids of engagements are as few as the events; they need to go along once only.
    const ids = deviceIdListsOf(first ? engagements : []);
    first = false;
    for (const row of await reader.readGoalEvents(range, { ids, deviceKeys: [...deviceKeys] })) found.push(row);
  }
  return found;
}

/** An event is a conversion of every goal that it meets. */
function conversionsOf(app: AppFacts, event: GoalEventRow, isFirst: boolean): GoalConversion[] {
  return app.goals
    .filter((goal) => goal.eventKind === event.kind && (goal.eventName === null || goal.eventName === event.name))
    .map((goal) => ({
      conversionId: `${event.ref}#${goal.goalId}`,
      goal: goal.goalId,
      convertedAt: event.occurredAt,
      deviceKey: event.deviceKey,
      valueAmount: event.valueAmount,
      valueCurrency: event.valueCurrency,
      event,
      isFirst,
    }));
}

async function buildBatch(
  { reader, store, clock, liveBus }: JourneyDeps,
  app: AppFacts,
  conversions: readonly GoalConversion[],
): Promise<number> {
  const times = conversions.map((one) => one.convertedAt);
  const range: AppRange = { tenantId: app.tenantId, appId: app.appId, fromMs: minOf(times), toMs: maxOf(times) };
  const [installs, latest] = await Promise.all([
    reader.readInstalls(
      { ...range, fromMs: range.fromMs - installReachMs },
      { ids: deviceIdListsOf([]), deviceKeys: distinct(conversions.map((one) => one.deviceKey)) },
    ),
    store.readLatest(
      range,
      conversions.filter((one) => !one.isFirst).map((one) => one.conversionId),
    ),
  ]);
  const touchpoints = await reader.readTouchpoints(
    { ...range, fromMs: range.fromMs - journeyDays * dayMs },
    {
      ids: deviceIdListsOf([...installs, ...conversions.map((one) => one.event)]),
      clickIds: distinct([
        ...installs.flatMap((one) => [one.clickId, one.referrerClickId]),
        ...conversions.map((one) => one.event.clickId),
      ]),
    },
  );
  const touchpointsOf = touchpointMatcher(touchpoints);
  const installsOf = Map.groupBy(installs, (one) => one.deviceKey);
  const changed = conversions.flatMap((conversion) => {
    const own = (installsOf.get(conversion.deviceKey) ?? []).filter(
      ({ installedAt }) =>
        installedAt <= conversion.convertedAt && installedAt >= conversion.convertedAt - installReachMs,
    );
    const journey = journeyOf(app, conversion, own, touchpointsOf);
    const stored = latest.get(conversion.conversionId);
    return journeyChanged(journey, stored) ? [{ journey, revision: (stored?.revision ?? 0) + 1 }] : [];
  });
  const at = clock.now();
  await store.write(app, changed, at);
  for (const { journey, revision } of changed) {
    const { conversionId } = journey.conversion;
    liveBus.publish('conversion.recorded', { tenantId: app.tenantId, appId: app.appId, conversionId, revision, at });
  }
  return changed.length;
}

function journeyOf(
  app: AppFacts,
  { event, isFirst: _, ...conversion }: GoalConversion,
  installs: readonly InstallRow[],
  touchpointsOf: ReturnType<typeof touchpointMatcher>,
): InstallJourney {
  const sorted = [...installs].sort((a, b) => a.installedAt - b.installedAt || (a.installId < b.installId ? -1 : 1));
  const journey = buildJourney({
    conversion,
    touchpoints: [
      ...sorted.flatMap((install) => touchpointsOf(install)),
      ...touchpointsOf({ ...event, referrerClickId: '' }),
    ],
    installs: sorted.map(({ installedAt, beganAt }) => ({ installedAt, installBeginAt: beganAt || null })),
    knownCampaigns: app.knownCampaigns,
    injectionCtitSeconds: app.windows.injectionCtitSeconds,
  });
  return { ...journey, installId: sorted.at(-1)?.installId ?? '' };
}
