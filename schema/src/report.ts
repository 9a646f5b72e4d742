/**
 * The catalogue of reports: what can be counted and by what, defined once. The GraphQL enums and fields, the SQL of the
 * warehouse, the exports and the guides are derived from it.
 */

/** Where a metric's rows come from. Each source knows some of the dimensions. */
export type ReportSource = 'activity' | 'people' | 'engagements' | 'installs' | 'cost' | 'conversions' | 'fraud';

interface DimensionEntry {
  readonly description: string;
  /** Sources whose rows tell it. */
  readonly sources: readonly ReportSource[];
  /** Set: it follows from the campaign that a row is attributed to, and is known once that is. */
  readonly ofCampaign?: true;
}

const everySource = ['activity', 'people', 'engagements', 'installs', 'cost', 'conversions', 'fraud'] as const;
const events = ['activity', 'people', 'engagements'] as const;
const devices = [...events, 'installs'] as const;

export const reportDimensions = {
  APP: { description: 'The app.', sources: everySource },
  CAMPAIGN: {
    description:
      'The campaign: of engagements the one they name; of installs the one that won; of what people do in the app the one that brought their latest install. Empty: organic, unattributed or not one of yours.',
    sources: everySource,
    ofCampaign: true,
  },
  PARTNER: { description: 'The partner of the campaign.', sources: everySource, ofCampaign: true },
  NETWORK: { description: 'The ad network of the campaign.', sources: everySource, ofCampaign: true },
  AD_GROUP: {
    description: 'The ad group: of engagements the one they name, else that of the engagement that won the install.',
    sources: devices,
    ofCampaign: true,
  },
  CREATIVE: {
    description: 'The creative: of engagements the one they name, else that of the engagement that won the install.',
    sources: devices,
    ofCampaign: true,
  },
  COUNTRY: { description: 'ISO 3166-1 alpha-2; of the event or the install.', sources: [...devices, 'fraud'] },
  PLATFORM: { description: 'As sent, e.g. `ios`; of the event or the install.', sources: [...devices, 'fraud'] },
  APP_VERSION: { description: 'Version of the app, of the event or the install.', sources: devices },
  OS_VERSION: { description: 'Version of the operating system, of the event or the install.', sources: devices },
  DEVICE_MODEL: { description: 'Model of the device, of the event or the install.', sources: devices },
  EVENT_NAME: { description: 'Name of the event, as sent.', sources: events },
  EVENT_KIND: { description: 'Kind of the event, e.g. `purchase`.', sources: events },
  GOAL: { description: 'The goal that a conversion met.', sources: ['conversions'] },
} as const satisfies Record<string, DimensionEntry>;

export type ReportDimension = keyof typeof reportDimensions;
export const reportDimensionNames = Object.keys(reportDimensions) as readonly ReportDimension[];

export type ReportUnit = 'count' | 'money' | 'ratio';

interface MetricEntry {
  readonly description: string;
  readonly unit: ReportUnit;
  /** A base metric: summed (people: counted distinct) from the rows of one source. */
  readonly source?: ReportSource;
  /** A derived metric: quotient of two base metrics, null where the divisor is 0. */
  readonly quotient?: { readonly of: string; readonly by: string; readonly times?: number };
  /** False: parts do not add up to the whole, since one may be in several. */
  readonly additive: boolean;
}

const base = (source: ReportSource, unit: 'count' | 'money', description: string, additive = true) =>
  ({ source, unit, description, additive }) as const;
const quotient = <T extends { readonly of: string; readonly by: string; readonly times?: number }>(
  unit: 'money' | 'ratio',
  parts: T,
  description: string,
) => ({ quotient: parts, unit, description, additive: false }) as const;

export const reportMetrics = {
  EVENTS: base('activity', 'count', 'Events of every kind.'),
  SESSIONS: base('activity', 'count', 'Session events.'),
  PURCHASES: base('activity', 'count', 'Purchase events; refunds not taken off.'),
  REVENUE: base('activity', 'money', 'Purchases and ad revenue less refunds.'),
  PEOPLE: base(
    'people',
    'count',
    'Distinct devices with any event but ad clicks and impressions. Exact; not additive.',
    false,
  ),
  CLICKS: base('engagements', 'count', 'Ad clicks.'),
  IMPRESSIONS: base('engagements', 'count', 'Ad impressions.'),
  INSTALLS: base('installs', 'count', 'New installs that are decided, attributed and organic.'),
  ATTRIBUTED_INSTALLS: base('installs', 'count', 'New installs that a campaign brought.'),
  ORGANIC_INSTALLS: base('installs', 'count', 'New installs without an eligible touchpoint.'),
  REINSTALLS: base('installs', 'count', 'Installs of devices that had the app before.'),
  COST: base('cost', 'money', 'Ad spend. It comes by the day: a day counts whole where it begins in the range.'),
  CONVERSIONS: base('conversions', 'count', 'Conversions, each counted at the last touchpoint before it.'),
  CONVERSIONS_FIRST_TOUCH: base('conversions', 'count', 'Conversions, each credited to the first touchpoint.'),
  CONVERSIONS_LINEAR: base('conversions', 'count', 'Conversions, shared equally among all touchpoints.'),
  CONVERSION_VALUE: base('conversions', 'money', 'Value of the conversions, at the last touchpoint.'),
  CONVERSION_VALUE_FIRST_TOUCH: base('conversions', 'money', 'Value of the conversions, at the first touchpoint.'),
  CONVERSION_VALUE_LINEAR: base('conversions', 'money', 'Value of the conversions, shared equally.'),
  SCORED_INSTALLS: base(
    'fraud',
    'count',
    'Installs with a fraud score: won by the campaign, or claimed by it with an engagement refused as injected.',
  ),
  SUSPECT_INSTALLS: base('fraud', 'count', 'Scored installs of verdict SUSPECT.'),
  FRAUD_INSTALLS: base('fraud', 'count', 'Scored installs of verdict FRAUD.'),
  CPI: quotient('money', { of: 'COST', by: 'ATTRIBUTED_INSTALLS' }, 'Cost per attributed install.'),
  CPC: quotient('money', { of: 'COST', by: 'CLICKS' }, 'Cost per click.'),
  CPM: quotient('money', { of: 'COST', by: 'IMPRESSIONS', times: 1_000 }, 'Cost per thousand impressions.'),
  CPA: quotient('money', { of: 'COST', by: 'CONVERSIONS' }, 'Cost per conversion, at the last touchpoint.'),
  ROAS: quotient('ratio', { of: 'REVENUE', by: 'COST' }, 'Return on ad spend: revenue / cost.'),
  ARPU: quotient('money', { of: 'REVENUE', by: 'PEOPLE' }, 'Revenue per person.'),
  CTR: quotient('ratio', { of: 'CLICKS', by: 'IMPRESSIONS' }, 'Clicks / impressions.'),
  CLICK_TO_INSTALL: quotient('ratio', { of: 'ATTRIBUTED_INSTALLS', by: 'CLICKS' }, 'Attributed installs / clicks.'),
  FRAUD_RATE: quotient('ratio', { of: 'FRAUD_INSTALLS', by: 'SCORED_INSTALLS' }, 'Fraud / scored installs, 0…1.'),
} as const satisfies Record<string, MetricEntry>;

export type ReportMetric = keyof typeof reportMetrics;
export const reportMetricNames = Object.keys(reportMetrics) as readonly ReportMetric[];

/** A metric's entry with the optional parts readable. */
export const reportMetric = (name: ReportMetric): MetricEntry => reportMetrics[name];
export const reportDimension = (name: ReportDimension): DimensionEntry => reportDimensions[name];

/** Base metrics that a metric is made of; itself when it is one. */
export function baseMetricsOf(name: ReportMetric): readonly ReportMetric[] {
  const { quotient: parts } = reportMetric(name);
  return parts ? [parts.of as ReportMetric, parts.by as ReportMetric] : [name];
}

/** `CLICK_TO_INSTALL` → `clickToInstall`: the name of a metric or dimension as a field or column. */
export function reportFieldName(name: string): string {
  return name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export const reportGrains = {
  MINUTE: 'A minute.',
  HOUR: 'An hour in the time zone of the app.',
  DAY: 'A day in the time zone of the app.',
  WEEK: 'A week from Monday on, in the time zone of the app.',
  MONTH: 'A month in the time zone of the app.',
} as const;
export type ReportGrain = keyof typeof reportGrains;

/** Bounds of a report that no plan widens. */
export const reportLimits = { apps: 20, filters: 10, filterValues: 200, orderBy: 5, metrics: 24 } as const;
