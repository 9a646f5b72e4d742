import { defineQuery, type QueryDefinition, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type { InstallKeys, TouchpointKeys } from '@tributary/subgraphs/attribution/domain';
import { z } from 'zod';
import { type DeviceIdLists, deviceIdLists, deviceIdRow, goalEventRow } from './keys.ts';
import {
  deviceIdColumns,
  epochMs,
  eventRef,
  goalEventColumns,
  idOrNull,
  ofApp,
  ofKinds,
  referrerClickId,
  sharingDevice,
} from './sql.ts';

const appParams = {
  tenantId: z.string().min(1),
  appId: z.string().min(1),
  kinds: z.array(z.string()).min(1),
  names: z.array(z.string()).min(1),
  fromMs: z.number(),
  toMs: z.number(),
};

/** Grain: name of an event kind. Answered from a projection. Scan: the app's aggregates of those kinds. */
const namesQuery = defineQuery({
  name: 'attribution_event_names',
  timeoutMs: 60_000,
  sql: `
    SELECT event_kind AS kind, event_name AS name
    FROM events
    WHERE ${ofApp} AND event_kind IN {kinds:Array(String)}
    GROUP BY event_kind, event_name`,
  params: z.object({ tenantId: z.string().min(1), appId: z.string().min(1), kinds: z.array(z.string()).min(1) }),
  row: z.object({ kind: z.string(), name: z.string() }),
});

const inRange = `occurred_at >= ${timeParam('fromMs')} AND occurred_at <= ${timeParam('toMs')}`;

/**
 * Grain: install event. Ordering key: app, names of kind install, time. Scan: the app's install rows of the range.
 */
const installsQuery = defineQuery({
  name: 'attribution_installs',
  timeoutMs: 60_000,
  sql: `
    SELECT ${eventRef} AS installId, device_key AS deviceKey, ${deviceIdColumns}, click_id AS clickId,
      ${referrerClickId} AS referrerClickId, ${epochMs('occurred_at')} AS installedAt,
      ${epochMs('install_begin_at')} AS beganAt, country, platform
    FROM events
    WHERE ${ofApp} AND ${ofKinds} AND ${inRange}
      AND (${eventRef} IN {installIds:Array(String)} OR device_key IN {deviceKeys:Array(String)} OR ${sharingDevice}
      OR click_id IN {clickIds:Array(String)} OR (install_referrer != '' AND referrerClickId IN {clickIds:Array(String)}))`,
  params: z.object({
    ...appParams,
    ...deviceIdLists,
    installIds: z.array(z.string()),
    deviceKeys: z.array(z.string()),
    clickIds: z.array(z.string()),
  }),
  row: z.object({
    installId: z.string(),
    deviceKey: z.string(),
    ...deviceIdRow,
    clickId: z.string(),
    referrerClickId: z.string(),
    installedAt: z.number(),
    /** 0 = not told */
    beganAt: z.number(),
    country: z.string(),
    platform: z.string(),
  }),
});

/** At most this many touchpoints of one device are looked at, the latest of the range: floods must not fill memory. */
export const touchpointsPerDevice = 1_000;

/**
 * Grain: click or impression. Ordering key: app, names of those kinds, time. Scan: the app's engagement rows of the
 * range. An engagement that names no campaign, link or click id is the app's own tracking, not an ad's.
 */
const touchpointsQuery = defineQuery({
  name: 'attribution_touchpoints',
  timeoutMs: 60_000,
  sql: `
    SELECT event_id AS eventId, event_kind AS kind, ${deviceIdColumns}, click_id AS clickId,
      campaign_id AS campaignId, network, link_id AS linkId, site_id AS siteId, has(flags, 'bot') AS isBot,
      ${epochMs('occurred_at')} AS occurredAt, ${epochMs('received_at')} AS receivedAt
    FROM events
    WHERE ${ofApp} AND ${ofKinds} AND ${inRange}
      AND (campaign_id != '' OR link_id != '' OR click_id != '')
      AND (click_id IN {clickIds:Array(String)} OR ${sharingDevice})
    ORDER BY occurred_at DESC, event_id, source_format
    LIMIT {perDevice:UInt32} BY coalesce(${['gaid', 'idfa', 'idfv', 'android_id', 'anonymous_id'].map(idOrNull).join(', ')}, click_id)`,
  params: z.object({
    ...appParams,
    ...deviceIdLists,
    clickIds: z.array(z.string()),
    perDevice: z.number(),
  }),
  row: z.object({
    eventId: z.string(),
    kind: z.enum(['click', 'impression']),
    ...deviceIdRow,
    clickId: z.string(),
    campaignId: z.string(),
    network: z.string(),
    linkId: z.string(),
    siteId: z.string(),
    isBot: z.number(),
    occurredAt: z.number(),
    receivedAt: z.number(),
  }),
});

/** Grain: event of a goal's kind. Ordering key: app, names of those kinds, time. Scan: the app's rows of those kinds in the range. */
const goalEventsQuery = defineQuery({
  name: 'attribution_goal_events',
  timeoutMs: 60_000,
  sql: `
    SELECT ${goalEventColumns}
    FROM events
    WHERE ${ofApp} AND ${ofKinds} AND ${inRange}
      AND (device_key IN {deviceKeys:Array(String)} OR ${sharingDevice})`,
  params: z.object({
    ...appParams,
    ...deviceIdLists,
    deviceKeys: z.array(z.string()),
  }),
  row: z.object(goalEventRow),
});

export type InstallRow = z.output<typeof installsQuery.row> & InstallKeys;
export type TouchpointRow = z.output<typeof touchpointsQuery.row> & TouchpointKeys;
export type GoalEventRow = z.output<typeof goalEventsQuery.row>;

/** One app and a range of `occurred_at`, both ends inclusive. */
export interface AppRange {
  readonly tenantId: string;
  readonly appId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Any of these ties a row to the request. */
export interface KeyLists {
  readonly ids: DeviceIdLists;
  readonly installIds?: string[];
  readonly deviceKeys?: string[];
  readonly clickIds?: string[];
}

/** Reads of one app's events for deciding. None is limited in rows by the batch: callers bound the keys. */
export interface EventReader {
  readInstalls(range: AppRange, keys: KeyLists): Promise<readonly InstallRow[]>;
  readTouchpoints(range: AppRange, keys: KeyLists): Promise<readonly TouchpointRow[]>;
  readGoalEvents(range: AppRange, keys: KeyLists): Promise<readonly GoalEventRow[]>;
}

/**
 * A reader for a page of new events, to be opened when the page is read: the names of events are asked for once, so that
 * each read goes to their rows, or is answered here where the app has none. A name that comes up later comes with events
 * that are new themselves.
 */
export async function openEventReader(
  warehouse: Warehouse,
  { tenantId, appId }: Pick<AppRange, 'tenantId' | 'appId'>,
  goalKinds: readonly string[],
): Promise<EventReader> {
  const kindsOf = { installs: ['install'], touchpoints: ['click', 'impression'], goalEvents: [...goalKinds] };
  const rows = await warehouse.query(namesQuery, { tenantId, appId, kinds: Object.values(kindsOf).flat() });
  const namesOf = (kinds: string[]) => [
    ...new Set(rows.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name)),
  ];
  const ask = async <P extends object, R>(
    query: QueryDefinition<P & { kinds: string[]; names: string[] }, R>,
    kinds: string[],
    params: P,
  ): Promise<readonly R[]> => {
    const names = namesOf(kinds);
    return names.length === 0 ? [] : warehouse.query(query, { ...params, kinds, names });
  };
  return {
    readInstalls: (range, { ids, installIds = [], deviceKeys = [], clickIds = [] }) =>
      ask(installsQuery, kindsOf.installs, { ...range, ...ids, installIds, deviceKeys, clickIds }),
    readTouchpoints: (range, { ids, clickIds = [] }) =>
      ask(touchpointsQuery, kindsOf.touchpoints, { ...range, ...ids, clickIds, perDevice: touchpointsPerDevice }),
    readGoalEvents: (range, { ids, deviceKeys = [] }) =>
      ask(goalEventsQuery, kindsOf.goalEvents, { ...range, ...ids, deviceKeys }),
  };
}
