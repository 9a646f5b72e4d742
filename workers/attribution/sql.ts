/** Pieces of SQL that the attribution worker's statements share. */

/** A time column as epoch milliseconds. */
export const epochMs = (column: string) => `toFloat64(toUnixTimestamp64Milli(${column}))`;

/** The click id in an install referrer, by the rule of `parseReferrer` (subgraphs/attribution/domain). */
export const referrerClickId = `decodeURLFormComponent(extractURLParameter(concat('?',
      if(position(install_referrer, '=') = 0, decodeURLComponent(install_referrer), install_referrer)), 'click_id'))`;

/** An event's global id, in the form of an install id. */
export const eventRef = `concat(app_id, ':', source_format, ':', event_id)`;

/** Rows of one app and environment; sandbox traffic takes no part in attribution. */
export const ofApp = `tenant_id = {tenantId:String} AND app_id = {appId:String} AND environment = 'production'`;

/**
 * Rows of some kinds under the names that those kinds have (event-reader.ts). The table is ordered by app, name and time,
 * not by kind, so that the names are what lets the engine skip to the right rows.
 */
export const ofKinds = `event_kind IN {kinds:Array(String)} AND event_name IN {names:Array(String)}`;

/** Rows that share a device id with the `DeviceIdLists` given, each kind of id with its own. Empty lists match nothing. */
export const sharingDevice = `gaid IN {gaids:Array(String)} OR idfa IN {idfas:Array(String)} OR idfv IN {idfvs:Array(String)}
      OR android_id IN {androidIds:Array(String)} OR anonymous_id IN {anonymousIds:Array(String)}`;

/** Columns of the ids that events are matched by. */
export const deviceIdColumns = 'gaid, idfa, idfv, android_id AS androidId, anonymous_id AS anonymousId';

/** What a conversion is made of (`goalEventRow`). */
export const goalEventColumns = `${eventRef} AS ref, event_kind AS kind, event_name AS name, device_key AS deviceKey,
      ${deviceIdColumns}, click_id AS clickId, ${epochMs('occurred_at')} AS occurredAt,
      ${epochMs('inserted_at')} AS insertedAt, toString(revenue_amount) AS valueAmount,
      revenue_currency AS valueCurrency`;

/** An id column, null where it names no one device (see `namesOneDevice`). */
export const idOrNull = (column: string) => `if(replaceRegexpAll(${column}, '[0-]', '') = '', NULL, ${column})`;
