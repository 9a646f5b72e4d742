import { createRandom, type Random } from './random.ts';
import {
  adRevenueEvent,
  createDevice,
  ctitMs,
  diurnal,
  installEvent,
  type NativeEvent,
  purchaseEvent,
  retention,
  type SimulatedApp,
  type SimulatedDevice,
  sessionEvent,
} from './world.ts';

const dayMs = 86_400_000;

export interface BackfillOptions {
  readonly seed: string;
  readonly app: SimulatedApp;
  /** Epoch ms of the first instant and of the instant after the last. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly installsPerDay: number;
}

/**
 * The past of an app, day by day: clicks, installs, sessions, purchases and ad revenue, each day's events in time order.
 * Pure and seeded: the same options give the same events with the same ids, so that a backfill that was cut off can be
 * sent again and nothing counts twice.
 */
export function* generateBackfill(options: BackfillOptions): Generator<readonly NativeEvent[]> {
  const { app, fromMs, toMs } = options;
  const root = createRandom(`${options.seed}/${app.appId}`);
  const pending: NativeEvent[] = [];
  for (let day = 0, startMs = fromMs; startMs < toMs; day += 1, startMs += dayMs) {
    const random = root.fork(`day-${day}`);
    const installs = random.poisson(options.installsPerDay * (1 + 0.012 * day));
    for (let i = 0; i < installs; i += 1) pending.push(...life(random, app, startMs + timeOfDay(random), toMs));
    const endMs = Math.min(startMs + dayMs, toMs);
    const ready = pending.filter((event) => event.occurred_at < endMs).sort((a, b) => a.occurred_at - b.occurred_at);
    const later = pending.filter((event) => event.occurred_at >= endMs && event.occurred_at < toMs);
    pending.length = 0;
    pending.push(...later);
    yield ready;
  }
}

function timeOfDay(random: Random): number {
  for (;;) {
    const hour = random.next() * 24;
    if (random.next() * 1.65 < diurnal(hour)) return Math.floor(hour * 3_600_000);
  }
}

/** Everything one person does from the click (where there was one) to `untilMs`. */
function life(random: Random, app: SimulatedApp, clickAtMs: number, untilMs: number): NativeEvent[] {
  const campaign = random.chance(0.3) ? null : random.pickWeighted(app.campaigns, (item) => item.weight);
  const device = createDevice(random, app, campaign);
  const events: NativeEvent[] = [];
  let clickId: string | null = null;
  let installAtMs = clickAtMs;
  if (campaign !== null) {
    clickId = `clk_${random.hex(16)}`;
    events.push(clickEvent(random, app, device, campaign, clickId, clickAtMs));
    // Some click twice, on two networks: the later one wins, and the table says why the other lost.
    if (random.chance(0.12)) {
      const other = random.pickWeighted(app.campaigns, (item) => item.weight);
      events.push(
        clickEvent(
          random,
          app,
          device,
          other,
          `clk_${random.hex(16)}`,
          clickAtMs - Math.round(random.exponential(6 * 3_600_000)),
        ),
      );
    }
    installAtMs = clickAtMs + ctitMs(random, device.fraudulent);
  }
  if (installAtMs >= untilMs) return events.filter((event) => event.occurred_at < untilMs);
  events.push(
    installEvent(random, app, device, installAtMs, clickId),
    ...activity(random, app, device, installAtMs, untilMs),
  );
  return events.filter((event) => event.occurred_at < untilMs);
}

function clickEvent(
  random: Random,
  app: SimulatedApp,
  device: SimulatedDevice,
  campaign: SimulatedApp['campaigns'][number],
  clickId: string,
  atMs: number,
): NativeEvent {
  return {
    event_name: 'click',
    event_kind: 'click',
    event_id: random.uuid(),
    occurred_at: atMs,
    anonymous_id: `web-${random.hex(12)}`,
    ...device.deviceIds,
    click_id: clickId,
    campaign_id: campaign.campaignId,
    network: campaign.network,
    country: device.country,
    platform: app.platform,
    site_id: `site-${random.int(1, 40)}`,
  };
}

function activity(
  random: Random,
  app: SimulatedApp,
  device: SimulatedDevice,
  installAtMs: number,
  untilMs: number,
): NativeEvent[] {
  const events: NativeEvent[] = [];
  if (device.fraudulent) return [sessionEvent(random, app, device, installAtMs + 1_000)];
  for (let day = 0; installAtMs + day * dayMs < untilMs; day += 1) {
    if (!random.chance(Math.min(1, retention(day) * device.quality))) continue;
    const sessions = 1 + random.poisson(0.8);
    for (let s = 0; s < sessions; s += 1) {
      const atMs =
        day === 0 && s === 0
          ? installAtMs + 2_000
          : installAtMs + day * dayMs + Math.floor(random.next() * dayMs * 0.6);
      events.push(sessionEvent(random, app, device, atMs));
      if (random.chance(0.5)) events.push(adRevenueEvent(random, app, device, atMs + 60_000));
      if (device.payer && random.chance(0.22 * device.quality))
        events.push(purchaseEvent(random, app, device, atMs + 90_000));
    }
  }
  return events;
}
