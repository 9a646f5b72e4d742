import type { Random } from './random.ts';

/** What the simulator must know of an app: where to send, and who brings its installs. Times in epoch ms. */
export interface SimulatedApp {
  readonly appId: string;
  readonly platform: 'ios' | 'android';
  readonly currency: string;
  readonly writeKey: string;
  readonly secretKey: string;
  readonly campaigns: readonly SimulatedCampaign[];
}

export interface SimulatedCampaign {
  readonly campaignId: string;
  readonly network: string;
  readonly slug: string;
  /** Relative share of clicks. */
  readonly weight: number;
  /** Multiplies retention and spending of the people it brings; 1 = average. */
  readonly quality: number;
  /** Share of its installs that are made up (click injection or device farms). */
  readonly fraudShare: number;
}

/** One native event as the public API takes it. */
export type NativeEvent = Readonly<Record<string, unknown>> & {
  readonly event_name: string;
  readonly occurred_at: number;
};

export interface SimulatedDevice {
  readonly anonymousId: string;
  readonly deviceIds: Readonly<Record<string, string>>;
  readonly country: string;
  readonly appVersion: string;
  readonly osVersion: string;
  readonly deviceModel: string;
  readonly payer: boolean;
  readonly quality: number;
  readonly fraudulent: boolean;
}

const countries = [
  ['US', 34],
  ['DE', 12],
  ['GB', 11],
  ['JP', 9],
  ['BR', 10],
  ['IN', 14],
  ['FR', 6],
  ['KR', 4],
] as const;
const androidModels = ['Pixel 9', 'Galaxy S25', 'Galaxy A55', 'Redmi Note 14', 'Xperia 5'] as const;
const iosModels = ['iPhone16,1', 'iPhone15,4', 'iPhone14,5', 'iPad14,3'] as const;

/** A new device of someone whom `campaign` (null = nobody) brought. */
export function createDevice(random: Random, app: SimulatedApp, campaign: SimulatedCampaign | null): SimulatedDevice {
  const android = app.platform === 'android';
  const fraudulent = campaign !== null && random.chance(campaign.fraudShare);
  return {
    anonymousId: random.uuid(),
    deviceIds: android ? { gaid: random.uuid() } : { idfv: random.uuid().toUpperCase() },
    country: random.pickWeighted(countries, ([, weight]) => weight)[0],
    appVersion: random.pick(['4.1.0', '4.2.0', '4.2.1']),
    osVersion: android ? random.pick(['14', '15', '16']) : random.pick(['18.6', '26.0', '26.1']),
    deviceModel: random.pick<string>(android ? androidModels : iosModels),
    // About 4 in 5 never pay (models.md: 70 % in general, 95 % and more in games).
    payer: !fraudulent && random.chance(0.18),
    quality: campaign?.quality ?? 1.15,
    fraudulent,
  };
}

function deviceFields(app: SimulatedApp, device: SimulatedDevice) {
  return {
    anonymous_id: device.anonymousId,
    ...device.deviceIds,
    platform: app.platform,
    country: device.country,
    app_version: device.appVersion,
    os_version: device.osVersion,
    device_model: device.deviceModel,
    sdk: 'tributary-simulator/1',
  };
}

/** An install; where a click led to it, its id rides in the install referrer (Android) or as click_id (iOS). */
export function installEvent(
  random: Random,
  app: SimulatedApp,
  device: SimulatedDevice,
  atMs: number,
  clickId: string | null,
): NativeEvent {
  const injected = device.fraudulent && clickId !== null;
  return {
    event_name: 'install',
    event_id: random.uuid(),
    occurred_at: atMs,
    ...deviceFields(app, device),
    ...(clickId === null
      ? {}
      : app.platform === 'android'
        ? { install_referrer: `click_id=${clickId}&utm_source=tributary` }
        : { click_id: clickId }),
    // A real download takes a while; an injected click comes after it began.
    ...(app.platform === 'android' ? { install_begin_at: injected ? atMs - 20_000 : atMs - 4_000 } : {}),
    properties: { store: app.platform === 'android' ? 'google_play' : 'app_store' },
  };
}

export function sessionEvent(random: Random, app: SimulatedApp, device: SimulatedDevice, atMs: number): NativeEvent {
  return {
    event_name: 'session_start',
    event_id: random.uuid(),
    occurred_at: atMs,
    ...deviceFields(app, device),
    properties: { seconds: Math.round(random.logNormal(5.2, 0.8)) },
  };
}

const prices = ['0.99', '1.99', '4.99', '9.99', '19.99', '49.99'] as const;
const priceWeights = [30, 24, 26, 12, 6, 2] as const;

export function purchaseEvent(random: Random, app: SimulatedApp, device: SimulatedDevice, atMs: number): NativeEvent {
  const price = random.pickWeighted(prices, (item) => priceWeights[prices.indexOf(item)]!);
  return {
    event_name: 'purchase',
    event_id: random.uuid(),
    occurred_at: atMs,
    ...deviceFields(app, device),
    revenue_amount: price,
    revenue_currency: app.currency,
    properties: { sku: `gems_${Math.round(Number(price) * 100)}` },
  };
}

export function adRevenueEvent(random: Random, app: SimulatedApp, device: SimulatedDevice, atMs: number): NativeEvent {
  return {
    event_name: 'ad_revenue',
    event_id: random.uuid(),
    occurred_at: atMs,
    ...deviceFields(app, device),
    revenue_amount: (0.004 + random.next() * 0.04).toFixed(4),
    revenue_currency: app.currency,
    properties: { placement: random.pick(['rewarded', 'interstitial', 'banner']) },
  };
}

/**
 * Milliseconds from click to install. Legitimate: 0.68·LogNormal(ln 95 s, 1.1) + 0.32·LogNormal(ln 8300 s, 1.0), as
 * measured on real clicks; fraudulent: a glut below 2 s (injection).
 */
export function ctitMs(random: Random, fraudulent: boolean): number {
  if (fraudulent) return Math.round(300 + random.next() * 1_500);
  const seconds = random.chance(0.68) ? random.logNormal(Math.log(95), 1.1) : random.logNormal(Math.log(8300), 1.0);
  return Math.round(Math.min(6 * 86_400, Math.max(9, seconds)) * 1_000);
}

/** Share of installs active on day d: about 40/20/10 % at 1, 7, 30 (0.40·d^−0.4). */
export function retention(day: number): number {
  return day < 1 ? 1 : 0.4 * day ** -0.4;
}

/** Relative traffic by hour (UTC), one trough at night; mean about 1. */
export function diurnal(hour: number): number {
  return 1 + 0.65 * Math.sin(((hour - 9) / 24) * 2 * Math.PI);
}
