import { defineQuery, timeParam, type Warehouse } from '@tributary/platform/warehouse';
import type { Journey } from '@tributary/schema';
import { z } from 'zod';
import type { AppRange } from './event-reader.ts';

/** Grain: conversion. Ordering key: app, conversion time, conversion. Scan: the app's journeys of the range. */
const latestQuery = defineQuery({
  name: 'attribution_latest_journeys',
  timeoutMs: 60_000,
  sql: `
    SELECT conversion_id AS conversionId, max(j.revision) AS latest,
      argMax(j.touch_ids, (j.revision, j.decided_at)) AS touchpointIds,
      argMax(j.install_id, (j.revision, j.decided_at)) AS installId
    FROM journeys AS j
    WHERE tenant_id = {tenantId:String} AND app_id = {appId:String} AND conversion_id IN {conversionIds:Array(String)}
      AND converted_at >= ${timeParam('fromMs')} AND converted_at <= ${timeParam('toMs')}
    GROUP BY conversion_id`,
  params: z.object({
    tenantId: z.string().min(1),
    appId: z.string().min(1),
    fromMs: z.number(),
    toMs: z.number(),
    conversionIds: z.array(z.string()).min(1),
  }),
  row: z.object({
    conversionId: z.string(),
    latest: z.number(),
    touchpointIds: z.array(z.string()),
    installId: z.string(),
  }),
});

/** A journey and the install that its device's conversion belongs to; empty = none known. */
export interface InstallJourney extends Journey {
  readonly installId: string;
}

export interface StoredJourney {
  readonly revision: number;
  readonly touchpointIds: readonly string[];
  readonly installId: string;
}

export interface JourneyStore {
  /** Latest revisions by conversion id; `range` must hold the conversions' times. */
  readLatest(range: AppRange, conversionIds: readonly string[]): Promise<ReadonlyMap<string, StoredJourney>>;
  write(
    app: { readonly tenantId: string; readonly appId: string },
    journeys: readonly { readonly journey: InstallJourney; readonly revision: number }[],
    decidedAt: number,
  ): Promise<void>;
}

/** Whether a stored journey has to be revised: its touchpoints changed, or the install it belongs to. */
export function journeyChanged(journey: InstallJourney, stored: StoredJourney | undefined): boolean {
  return (
    stored === undefined ||
    stored.installId !== journey.installId ||
    stored.touchpointIds.length !== journey.touchpoints.length ||
    journey.touchpoints.some((one, index) => one.touchpointId !== stored.touchpointIds[index])
  );
}

export function createJourneyStore(warehouse: Warehouse): JourneyStore {
  return {
    async readLatest(range, conversionIds) {
      if (conversionIds.length === 0) return new Map();
      const rows = await warehouse.query(latestQuery, { ...range, conversionIds: [...conversionIds] });
      return new Map(
        rows.map(({ conversionId, latest, ...stored }) => [conversionId, { ...stored, revision: latest }]),
      );
    },
    write: ({ tenantId, appId }, journeys, decidedAt) =>
      warehouse.insertRows({
        name: 'attribution_write_journeys',
        table: 'journeys',
        rows: journeys.map(({ journey: { conversion, touchpoints, installId }, revision }) => ({
          tenant_id: tenantId,
          app_id: appId,
          conversion_id: conversion.conversionId,
          revision,
          goal: conversion.goal,
          device_key: conversion.deviceKey,
          install_id: installId,
          converted_at: conversion.convertedAt,
          decided_at: decidedAt,
          value_amount: conversion.valueAmount,
          value_currency: conversion.valueCurrency,
          touch_campaign_ids: touchpoints.map((one) => one.campaignId ?? ''),
          touch_at: touchpoints.map((one) => one.occurredAt),
          touch_kinds: touchpoints.map((one) => one.kind),
          touch_ids: touchpoints.map((one) => one.touchpointId),
        })),
      }),
  };
}
