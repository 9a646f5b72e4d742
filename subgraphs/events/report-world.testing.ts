import { fraudModel } from '@tributary/models';
import type { CanonicalEvent, ReportDimension, ReportMetric } from '@tributary/schema';
import { aDecisionRow, anEventRow } from '../src/rows.testing.ts';

/** A small random world as rows of the warehouse, and the same as plain facts that a report can be reckoned from by hand. */

/** One thing that a report may count: where it lies, and what it adds to which metrics. */
export interface Fact {
  readonly app: string;
  /** Epoch ms, or the day of a cost. */
  readonly at: number | string;
  /** As attributed; may be unknown. */
  readonly campaign: string;
  readonly dimensions: Partial<Readonly<Record<ReportDimension, string>>>;
  readonly adds: Partial<Readonly<Record<ReportMetric, number>>>;
  /** Of money, whole cents. */
  readonly currency?: string;
  readonly person?: string;
}

export interface World {
  readonly tables: Readonly<Record<string, readonly object[]>>;
  readonly facts: readonly Fact[];
}

export const worldApps = [
  { appId: 'app_a', timezone: 'Asia/Kolkata', currency: 'USD' },
  { appId: 'app_b', timezone: 'America/New_York', currency: 'USD' },
] as const;

export const worldCampaigns = [
  { campaignId: 'cmp_1', network: 'alpha', partnerId: 'par_1' },
  { campaignId: 'cmp_2', network: 'alpha', partnerId: 'par_1' },
  { campaignId: 'cmp_3', network: 'beta', partnerId: 'par_2' },
  { campaignId: 'cmp_4', network: 'gamma', partnerId: '' },
] as const;
const knownCampaigns = new Set<string>(worldCampaigns.map((one) => one.campaignId));

/** Deterministic, so that a failure can be seen again. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const kinds = ['session', 'purchase', 'refund', 'ad_revenue', 'custom', 'click', 'impression', 'install'] as const;

/** Long because rows and facts of one thing are made side by side, where they can be compared. */
export function makeWorld(seed: number, range: { readonly fromMs: number; readonly toMs: number }): World {
  const random = randomOf(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const timeIn = () => range.fromMs - 3_600_000 + Math.floor(random() * (range.toMs - range.fromMs + 7_200_000));
  const inRange = (ms: number) => ms >= range.fromMs && ms < range.toMs;
  const facts: Fact[] = [];
  const tables = {
    events: [] as object[],
    install_attributions: [] as object[],
    costs_mirror: [] as object[],
    journeys: [] as object[],
    predictions: [] as object[],
    campaigns_mirror: [] as object[],
  };
  const someCampaign = () => pick(['cmp_1', 'cmp_2', 'cmp_3', 'cmp_4', 'cmp_gone', '']);
  // The other tenant's twin has ids of its own: app ids are unique in truth, so keys of some tables do without the tenant.
  const both = (row: object): object[] => {
    const ids = Object.entries(row).filter(([name]) => ['install_id', 'conversion_id', 'subject_id'].includes(name));
    return [row, { ...row, tenant_id: 'ten_b', ...Object.fromEntries(ids.map(([name, id]) => [name, `${id}-b`])) }];
  };

  for (const { appId: app } of worldApps) {
    for (const { campaignId, network, partnerId } of worldCampaigns) {
      const row = { app_id: app, campaign_id: campaignId, name: campaignId };
      tables.campaigns_mirror.push(
        { ...row, tenant_id: 'ten_a', network, partner_id: partnerId, version: 2 },
        { ...row, tenant_id: 'ten_a', network: 'old', partner_id: 'par_9', version: 1 },
        { ...row, tenant_id: 'ten_b', network: 'theirs', partner_id: 'par_9', version: 3 },
      );
    }
    const origins = new Map<string, { at: number; campaign: string; adgroup: string; creative: string }>();
    for (let index = 0; index < 60; index += 1) {
      const installedAt = timeIn();
      const device = `device-${Math.floor(random() * 30)}`;
      const campaign = someCampaign();
      const reinstall = random() < 0.2;
      const place = { country: pick(['IN', 'US', '']), platform: pick(['ios', 'android']) };
      const told = {
        app_version: pick(['1.0', '1.1']),
        os_version: pick(['17', '18']),
        device_model: pick(['m1', '']),
      };
      const touch = `touch-${app}-${index}`;
      const ads = { adgroup_id: pick(['ag1', 'ag2']), creative_id: pick(['cr1', 'cr2']) };
      const event = anEventRow({
        event_kind: 'install',
        event_name: 'install',
        occurred_at: installedAt,
        app_id: app,
        device_key: device,
        ...place,
        ...told,
      });
      const installId = `${app}:native:${event['event_id']}`;
      if (campaign !== '') {
        const click = {
          event_kind: 'click',
          event_name: 'click',
          occurred_at: installedAt - 60_000,
          app_id: app,
          device_key: `web-${index}`,
          campaign_id: campaign,
          event_id: touch,
          ...ads,
        } as const;
        tables.events.push(...both(anEventRow(click)));
        if (inRange(click.occurred_at))
          facts.push(...eventFacts(app, { ...click }, { at: 0, campaign: '', adgroup: '', creative: '' }));
      }
      tables.events.push(...both(event));
      const decision = {
        appId: app,
        installId,
        deviceKey: device,
        installedAt,
        touchpointId: campaign === '' ? '' : touch,
        ...place,
      };
      const verdict = reinstall ? ('reinstall' as const) : ('install' as const);
      const rows = [
        aDecisionRow({ ...decision, revision: 1, campaignId: 'cmp_3', verdict: 'install' }),
        aDecisionRow({ ...decision, revision: 2, campaignId: campaign, verdict }),
      ];
      tables.install_attributions.push(...rows.flatMap(both));
      const known = origins.get(device);
      if (!reinstall && (!known || known.at < installedAt)) {
        const named =
          campaign === '' ? { adgroup: '', creative: '' } : { adgroup: ads.adgroup_id, creative: ads.creative_id };
        origins.set(device, { at: installedAt, campaign, ...named });
      }
      const dimensions = {
        COUNTRY: place.country,
        PLATFORM: place.platform,
        APP_VERSION: told.app_version,
        OS_VERSION: told.os_version,
        DEVICE_MODEL: told.device_model,
        AD_GROUP: campaign === '' ? '' : ads.adgroup_id,
        CREATIVE: campaign === '' ? '' : ads.creative_id,
      };
      if (inRange(installedAt)) {
        const adds = reinstall
          ? { REINSTALLS: 1 }
          : { INSTALLS: 1, ...(campaign === '' ? { ORGANIC_INSTALLS: 1 } : { ATTRIBUTED_INSTALLS: 1 }) };
        facts.push({ app, at: installedAt, campaign, dimensions, adds });
      }
      if (random() < 0.7) {
        const value = pick([0.1, 0.5, 0.79, 0.8, 0.95]);
        const row = {
          app_id: app,
          model: fraudModel.name,
          model_version: '1',
          subject_id: installId,
          subject_at: installedAt,
          currency: '',
          horizon_days: 0,
          reasons: [],
          features_hash: '',
          latency_us: 1,
        };
        tables.predictions.push(...both({ tenant_id: 'ten_a', ...row, scored_at: installedAt + 5_000, value }));
        const scored = {
          SCORED_INSTALLS: 1,
          ...(value >= 0.8 ? { FRAUD_INSTALLS: 1 } : value >= 0.5 ? { SUSPECT_INSTALLS: 1 } : {}),
        };
        if (inRange(installedAt)) {
          facts.push({
            app,
            at: installedAt,
            campaign,
            dimensions: { COUNTRY: place.country, PLATFORM: place.platform },
            adds: scored,
          });
        }
      }
      // The install event itself is activity too; its origin is known only when all installs are.
      activity.push({ app, row: event as Partial<CanonicalEvent> & { occurred_at: number } });
    }
    for (let index = 0; index < 240; index += 1) {
      const kind = pick(kinds.slice(0, -1));
      const engaged = kind === 'click' || kind === 'impression';
      const paid = ['purchase', 'refund', 'ad_revenue'].includes(kind);
      const fields = {
        event_kind: kind,
        event_name: kind === 'custom' ? pick(['level_up', 'share']) : kind,
        occurred_at: timeIn(),
        app_id: app,
        device_key: `device-${Math.floor(random() * 40)}`,
        country: pick(['IN', 'US', '']),
        platform: pick(['ios', 'android']),
        app_version: pick(['1.0', '1.1']),
        os_version: pick(['17', '18']),
        device_model: pick(['m1', '']),
        campaign_id: engaged ? someCampaign() : pick(['', 'cmp_1']),
        adgroup_id: engaged ? pick(['ag1', 'ag2']) : '',
        creative_id: engaged ? pick(['cr1', 'cr2']) : '',
        environment: random() < 0.1 ? 'sandbox' : 'production',
        ...(paid
          ? {
              revenue_amount: (Math.ceil(random() * 900) / 100).toFixed(2),
              revenue_currency: pick(['USD', 'USD', 'EUR']),
            }
          : {}),
      } as Partial<CanonicalEvent> & { occurred_at: number };
      tables.events.push(...both(anEventRow(fields)));
      activity.push({ app, row: fields });
    }
    for (const { row } of activity.splice(0)) {
      if (row.environment === 'sandbox' || !inRange(row.occurred_at)) continue;
      facts.push(...eventFacts(app, row, origins.get(row.device_key as string)));
    }
    addCosts({ app, range, random, tables, facts, both });
    addJourneys({ app, timeIn, inRange, random, pick, tables, facts, both });
  }
  return {
    tables,
    facts: facts.map((fact) => ({ ...fact, campaign: knownCampaigns.has(fact.campaign) ? fact.campaign : '' })),
  };
}

type Fields = Partial<CanonicalEvent> & { readonly occurred_at: number };
const activity: { app: string; row: Fields }[] = [];

function eventFacts(
  app: string,
  row: Fields,
  origin:
    | { readonly at: number; readonly campaign: string; readonly adgroup: string; readonly creative: string }
    | undefined,
): Fact[] {
  const kind = row.event_kind as string;
  const dimensions = {
    COUNTRY: row.country ?? '',
    PLATFORM: row.platform ?? '',
    APP_VERSION: row.app_version ?? '',
    OS_VERSION: row.os_version ?? '',
    DEVICE_MODEL: row.device_model ?? '',
    EVENT_NAME: row.event_name as string,
    EVENT_KIND: kind,
  };
  const at = row.occurred_at;
  if (kind === 'click' || kind === 'impression') {
    const ads = { AD_GROUP: row.adgroup_id ?? '', CREATIVE: row.creative_id ?? '' };
    return [
      {
        app,
        at,
        campaign: row.campaign_id ?? '',
        dimensions: { ...dimensions, ...ads },
        adds: { EVENTS: 1, ...(kind === 'click' ? { CLICKS: 1 } : { IMPRESSIONS: 1 }) },
      },
    ];
  }
  const cents = Math.round(Number(row.revenue_amount ?? 0) * 100) * (kind === 'refund' ? -1 : 1);
  return [
    {
      app,
      at,
      campaign: origin?.campaign ?? '',
      dimensions: { ...dimensions, AD_GROUP: origin?.adgroup ?? '', CREATIVE: origin?.creative ?? '' },
      adds: {
        EVENTS: 1,
        ...(kind === 'session' ? { SESSIONS: 1 } : {}),
        ...(kind === 'purchase' ? { PURCHASES: 1 } : {}),
        ...(cents === 0 ? {} : { REVENUE: cents }),
      },
      ...(row.revenue_currency ? { currency: row.revenue_currency } : {}),
      person: `${row.device_key}`,
    },
  ];
}

interface Making {
  readonly app: string;
  readonly random: () => number;
  readonly tables: { readonly costs_mirror: object[]; readonly journeys: object[] };
  readonly facts: Fact[];
  readonly both: (row: object) => object[];
}

function addCosts({
  app,
  range,
  random,
  tables,
  facts,
  both,
}: Making & { range: { fromMs: number; toMs: number } }): void {
  for (let ms = range.fromMs - 86_400_000; ms < range.toMs + 86_400_000; ms += 86_400_000) {
    const day = new Date(ms).toISOString().slice(0, 10);
    for (const { campaignId } of worldCampaigns) {
      const cents = Math.ceil(random() * 5_000);
      const row = { tenant_id: 'ten_a', app_id: app, campaign_id: campaignId, day, cost_currency: 'USD' };
      tables.costs_mirror.push(
        ...both({ ...row, cost_amount: '99999', version: 1 }),
        ...both({ ...row, cost_amount: (cents / 100).toFixed(2), version: 2 }),
      );
      facts.push({ app, at: day, campaign: campaignId, dimensions: {}, adds: { COST: cents }, currency: 'USD' });
    }
  }
}

function addJourneys(
  making: Making & { timeIn: () => number; inRange: (ms: number) => boolean; pick: <T>(values: readonly T[]) => T },
): void {
  const { app, timeIn, inRange, random, pick, tables, facts, both } = making;
  for (let index = 0; index < 30; index += 1) {
    const convertedAt = timeIn();
    const touches = Array.from({ length: Math.floor(random() * 4) }, (_, place) => ({
      campaign: pick(['cmp_1', 'cmp_2', 'cmp_3', '']),
      at: convertedAt - (4 - place) * 3_600_000 - (place === 0 ? 40 * 86_400_000 * Math.round(random()) : 0),
    }));
    // Divisible by 2 and 3, so that linear shares are whole cents.
    const cents = Math.ceil(random() * 100) * 6;
    const goal = pick(['goal_1', 'goal_2']);
    const row = {
      tenant_id: 'ten_a',
      app_id: app,
      conversion_id: `${app}-conversion-${index}`,
      goal,
      device_key: 'd',
      install_id: '',
      converted_at: convertedAt,
      decided_at: convertedAt,
      value_amount: (cents / 100).toFixed(2),
      value_currency: 'USD',
    };
    tables.journeys.push(
      ...both({ ...row, revision: 1, touch_campaign_ids: [], touch_at: [], touch_kinds: [], touch_ids: [] }),
      ...both({
        ...row,
        revision: 2,
        touch_campaign_ids: touches.map((one) => one.campaign),
        touch_at: touches.map((one) => one.at),
        touch_kinds: touches.map(() => 'click'),
        touch_ids: touches.map((_, place) => `t${place}`),
      }),
    );
    if (!inRange(convertedAt)) continue;
    const path = touches
      .filter((one) => one.campaign !== '' && one.at >= convertedAt - 30 * 86_400_000)
      .map((one) => one.campaign);
    const shared = path.length === 0 ? [''] : path;
    shared.forEach((campaign, place) => {
      const first = place === 0 ? 1 : 0;
      const last = place === shared.length - 1 ? 1 : 0;
      facts.push({
        app,
        at: convertedAt,
        campaign,
        dimensions: { GOAL: goal },
        currency: 'USD',
        adds: {
          CONVERSIONS: last,
          CONVERSIONS_FIRST_TOUCH: first,
          CONVERSIONS_LINEAR: 1 / shared.length,
          CONVERSION_VALUE: last * cents,
          CONVERSION_VALUE_FIRST_TOUCH: first * cents,
          CONVERSION_VALUE_LINEAR: cents / shared.length,
        },
      });
    });
  }
}
