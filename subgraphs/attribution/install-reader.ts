import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import { dedupeKeyOf, hash64, hex64, installIdOf, parseInstallId } from '@tributary/schema';
import { z } from 'zod';
import { decodeCursor, encodeCursor, type PageRequest, type TimeBounds } from '../src/kit.ts';
import { partnerInstalls, partnerParam } from './attribution-sql.ts';

const installColumns = `source_format AS sourceFormat, event_id AS eventId, device_key AS deviceKey,
      toFloat64(toUnixTimestamp64Milli(occurred_at)) AS installedAt, country, platform`;

/** As `installIdOf` makes it. */
const installIdSql = "concat(app_id, ':', source_format, ':', event_id)";

const installRow = z.object({
  sourceFormat: z.string(),
  eventId: z.string(),
  deviceKey: z.string(),
  installedAt: z.number(),
  country: z.string(),
  platform: z.string(),
});

/** Grain: install event. Ordering key: app, name, time. Scan: granules that may hold the dedupe hash (bloom filter). */
export const installsByIdQuery = defineQuery({
  name: 'attribution_installs_by_id',
  sql: `
    SELECT ${installColumns}
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND event_kind = 'install'
      AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
      AND dedupe_hash IN {dedupeHashes:Array(String)} AND ${partnerInstalls(installIdSql)}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
    dedupeHashes: z.array(z.string()).min(1).max(200),
    ...partnerParam,
  }),
  row: installRow,
});

/** Grain: install event, newest first. Ordering key: app, name, time. Scan: the app's kind and time columns over the range. */
export const installsPageQuery = defineQuery({
  name: 'attribution_installs_page',
  sql: `
    SELECT ${installColumns}
    FROM events
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND event_kind = 'install' AND environment = 'production'
      AND occurred_at >= ${timeParam('fromMs')} AND occurred_at < ${timeParam('toMs')}
      AND ${partnerInstalls(installIdSql)}
      AND ({afterMs:Int64} < 0 OR (occurred_at, event_id, source_format) < (${timeParam('afterMs')}, {afterId:String}, {afterFormat:String}))
    ORDER BY events.occurred_at DESC, events.event_id DESC, events.source_format DESC
    LIMIT {limit:UInt32}`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
    /** −1 = from the newest */
    afterMs: z.number(),
    afterId: z.string(),
    afterFormat: z.string(),
    limit: z.number(),
    ...partnerParam,
  }),
  row: installRow,
});

/** An install as its event told it, decided or not. */
export interface InstallFacts {
  readonly id: string;
  readonly appId: string;
  readonly deviceKey: string;
  /** Epoch ms. */
  readonly installedAt: number;
  readonly country: string | null;
  readonly platform: string | null;
  readonly eventId: string;
  readonly sourceFormat: string;
}

const dayMs = 86_400_000;
/** As old as any stored event may be (limits.secretKeyMaxAgeMs). */
const lookbackMs = 5 * 366 * dayMs;
const cursorKey = z.tuple([z.int().min(0), z.string(), z.string()]);

export function installCursorOf(install: InstallFacts): string {
  return encodeCursor([install.installedAt, install.eventId, install.sourceFormat]);
}

export interface InstallReader {
  /** By install id; unknown ones are absent. All ids are of the given app. */
  readInstalls(request: {
    readonly tenantId: string;
    readonly appId: string;
    readonly ids: readonly string[];
    readonly nowMs: number;
    /** '' = no partner's: all. */
    readonly partnerId: string;
  }): Promise<ReadonlyMap<string, InstallFacts>>;
  /** Up to `page.limit` installs of the range, newest first. */
  readPage(request: {
    readonly tenantId: string;
    readonly appId: string;
    readonly range: TimeBounds;
    readonly page: PageRequest;
    readonly partnerId: string;
  }): Promise<readonly InstallFacts[]>;
}

export function createInstallReader(warehouse: Warehouse): InstallReader {
  const factsOf = (appId: string, row: z.output<typeof installRow>): InstallFacts => ({
    ...row,
    id: installIdOf(appId, row.sourceFormat, row.eventId),
    appId,
    country: row.country || null,
    platform: row.platform || null,
  });
  return {
    async readInstalls({ tenantId, appId, ids, nowMs, partnerId }) {
      const dedupeHashes = ids.flatMap((id) => {
        const parts = parseInstallId(id);
        return parts ? [hex64(hash64(dedupeKeyOf(parts.appId, parts.sourceFormat, parts.eventId)))] : [];
      });
      if (dedupeHashes.length === 0) return new Map();
      const rows = await warehouse.query(installsByIdQuery, {
        tenantId,
        appId,
        dedupeHashes,
        fromMs: nowMs - lookbackMs,
        toMs: nowMs + dayMs,
        partnerId,
      });
      return new Map(rows.map((row) => factsOf(appId, row)).map((facts) => [facts.id, facts]));
    },
    async readPage({ tenantId, appId, range, page, partnerId }) {
      const [afterMs, afterId, afterFormat] = page.after === null ? [-1, '', ''] : decodeCursor(page.after, cursorKey);
      const rows = await warehouse.query(installsPageQuery, {
        tenantId,
        appId,
        ...range,
        afterMs,
        afterId,
        afterFormat,
        limit: page.limit,
        partnerId,
      });
      return rows.map((row) => factsOf(appId, row));
    },
  };
}
