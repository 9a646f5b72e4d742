import { generateBackfill } from './backfill.ts';
import type { Poster } from './post.ts';
import { createRandom, type Random } from './random.ts';
import {
  adRevenueEvent,
  createDevice,
  installEvent,
  type NativeEvent,
  purchaseEvent,
  type SimulatedApp,
  type SimulatedCampaign,
  type SimulatedDevice,
  sessionEvent,
} from './world.ts';

export interface LiveOptions {
  readonly seed: string;
  readonly apps: readonly SimulatedApp[];
  readonly poster: Poster;
  /** Events per second over all apps, about. */
  readonly rate: number;
  readonly signal: AbortSignal;
  readonly onSecond?: (sent: number) => void;
}

interface Planned {
  readonly atMs: number;
  readonly send: () => Promise<void>;
}

/** Posts traffic as it would come, second by second, until the signal. A second that can't be sent is told and skipped. */
export async function simulateLive(options: LiveOptions): Promise<void> {
  const random = createRandom(`${options.seed}/live/${Date.now()}`);
  const devices = new Map<SimulatedApp, SimulatedDevice[]>(options.apps.map((app) => [app, []]));
  const queue: Planned[] = [];
  while (!options.signal.aborted) {
    const startedAt = Date.now();
    for (const app of options.apps) planSecond(random, app, devices.get(app)!, options, startedAt, queue);
    const due = queue.filter((item) => item.atMs < startedAt + 1_000);
    queue.splice(0, queue.length, ...queue.filter((item) => item.atMs >= startedAt + 1_000));
    const results = await Promise.allSettled(due.map((item) => item.send()));
    options.onSecond?.(results.filter((result) => result.status === 'fulfilled').length);
    await pause(Math.max(0, startedAt + 1_000 - Date.now()), options.signal);
  }
}

function planSecond(
  random: Random,
  app: SimulatedApp,
  known: SimulatedDevice[],
  options: LiveOptions,
  nowMs: number,
  queue: Planned[],
): void {
  const share = options.rate / options.apps.length;
  const post = (events: readonly NativeEvent[]) =>
    options.poster.postEvents(app.writeKey, events).then(() => undefined);
  for (let i = random.poisson(share * 0.12); i > 0; i -= 1)
    queue.push(planClick(random, app, known, options, nowMs, queue));
  for (let i = random.poisson(share * 0.03); i > 0; i -= 1) {
    const device = createDevice(random, app, null);
    queue.push({
      atMs: nowMs,
      send: () =>
        post([installEvent(random, app, device, Date.now(), null), sessionEvent(random, app, device, Date.now())]),
    });
    known.push(device);
  }
  const active: NativeEvent[] = [];
  for (let i = random.poisson(share * 0.75); i > 0 && known.length > 0; i -= 1) {
    const device = random.pick(known);
    active.push(sessionEvent(random, app, device, nowMs));
    if (random.chance(0.3)) active.push(adRevenueEvent(random, app, device, nowMs));
    if (device.payer && random.chance(0.25)) active.push(purchaseEvent(random, app, device, nowMs));
  }
  if (active.length > 0) queue.push({ atMs: nowMs, send: () => post(active) });
  if (known.length > 2_000) known.splice(0, known.length - 2_000);
}

/** A click on a tracking link; one in four leads to an install some seconds later (time is shortened, for the eye). */
function planClick(
  random: Random,
  app: SimulatedApp,
  known: SimulatedDevice[],
  options: LiveOptions,
  nowMs: number,
  queue: Planned[],
): Planned {
  const campaign: SimulatedCampaign = random.pickWeighted(app.campaigns, (item) => item.weight);
  const device = createDevice(random, app, campaign);
  const installs = random.chance(0.25);
  const delayMs = device.fraudulent ? 400 : 9_000 + random.exponential(15_000);
  return {
    atMs: nowMs,
    send: async () => {
      const clickId = await options.poster.click(campaign.slug, {
        ...device.deviceIds,
        site_id: `site-${random.int(1, 40)}`,
      });
      if (!installs) return;
      queue.push({
        atMs: nowMs + delayMs,
        send: async () => {
          const atMs = Date.now();
          await options.poster.postEvents(app.writeKey, [
            installEvent(random, app, device, atMs, clickId),
            sessionEvent(random, app, device, atMs),
          ]);
          known.push(device);
        },
      });
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

export interface BackfillProgress {
  readonly day: number;
  readonly days: number;
  readonly events: number;
}

/** Sends the past through the public API with the secret key. Safe to repeat: the ids are those of the seed. */
export async function sendBackfill(options: {
  readonly seed: string;
  readonly apps: readonly SimulatedApp[];
  readonly poster: Poster;
  readonly fromMs: number;
  readonly toMs: number;
  readonly installsPerDay: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BackfillProgress) => void;
}): Promise<number> {
  const days = Math.ceil((options.toMs - options.fromMs) / 86_400_000);
  let events = 0;
  const streams = options.apps.map((app) => ({ app, days: generateBackfill({ ...options, app }) }));
  for (let day = 0; day < days && !options.signal.aborted; day += 1) {
    for (const stream of streams) {
      const batch = stream.days.next().value ?? [];
      for (let at = 0; at < batch.length; at += 500) {
        const answer = await options.poster.postEvents(stream.app.secretKey, batch.slice(at, at + 500));
        events += answer.accepted;
      }
    }
    options.onProgress({ day: day + 1, days, events });
  }
  return events;
}
