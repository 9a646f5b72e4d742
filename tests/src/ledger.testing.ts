import { randomUUID } from 'node:crypto';
import type { ProductApp } from './product.testing.ts';

const minuteMs = 60_000;

/** What the sender knows of one event that was acknowledged. */
export interface Entry {
  readonly minute: number;
  readonly name: string;
  /** Hundredths, so that sums are whole numbers. */
  readonly cents: number;
}

export interface Sender {
  /** Event id → what was acknowledged first under it. */
  readonly ledger: ReadonlyMap<string, Entry>;
  /** Ids that were sent again with another payload after their first was acknowledged. */
  readonly conflicts: ReadonlySet<string>;
  readonly duplicates: () => number;
  readonly resent: () => number;
  stop(): Promise<void>;
}

type Sent = Readonly<Record<string, unknown>> & { readonly event_id: string };

/**
 * Three senders that behave as SDKs do: what was not acknowledged is sent again. On purpose, 5 % of the events are exact repeats
 * of acknowledged ones, 1 % repeat an id with another payload, a fifth is days late, and every batch is in no order.
 */
export function startSender(collectorUrl: string, app: ProductApp, eventsPerSecond: number): Sender {
  const ledger = new Map<string, Entry>();
  const conflicts = new Set<string>();
  const recent: Sent[] = [];
  let duplicates = 0;
  let resent = 0;
  let stopping = false;
  const batchSize = 60;
  const pauseMs = (3 * batchSize * 1_000) / eventsPerSecond;

  const makeBatch = (): { events: Sent[]; conflicting: string[] } => {
    const events: Sent[] = [];
    const conflicting: string[] = [];
    const used = new Set<string>();
    for (let index = 0; index < batchSize; index += 1) {
      const repeat = recent[Math.floor(Math.random() * recent.length)];
      const chance = Math.random();
      if (repeat && chance < 0.06 && !used.has(repeat.event_id)) {
        used.add(repeat.event_id);
        if (chance < 0.05) {
          duplicates += 1;
          events.push(repeat);
        } else {
          conflicting.push(repeat.event_id);
          events.push({ ...repeat, properties: { changed: randomUUID() } });
        }
      } else events.push(makeEvent());
    }
    events.sort(() => Math.random() - 0.5);
    return { events, conflicting };
  };

  const send = async () => {
    const { events, conflicting } = makeBatch();
    await deliver(collectorUrl, app.secretKey, events, () => {
      resent += 1;
    });
    for (const id of conflicting) conflicts.add(id);
    for (const event of events) {
      if (ledger.has(event.event_id)) continue;
      ledger.set(event.event_id, entryOf(event));
      recent.push(event);
      if (recent.length > 5_000) recent.splice(0, 2_500);
    }
  };
  const worker = async () => {
    while (!stopping) {
      await send();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const working = Promise.all([worker(), worker(), worker()]);
  working.catch(() => undefined);
  return {
    ledger,
    conflicts,
    duplicates: () => duplicates,
    resent: () => resent,
    async stop() {
      stopping = true;
      await working;
    },
  };
}

function makeEvent(): Sent {
  const late = Math.random() < 0.2;
  const isPurchase = Math.random() < 0.3;
  return {
    event_id: randomUUID(),
    event_name: isPurchase ? 'purchase' : 'session_start',
    anonymous_id: `person-${Math.floor(Math.random() * 20_000)}`,
    occurred_at: Date.now() - Math.floor(Math.random() * (late ? 40 * 86_400_000 : 30_000)),
    ...(isPurchase
      ? { revenue_amount: (Math.floor(Math.random() * 5_000) / 100).toFixed(2), revenue_currency: 'USD' }
      : {}),
  };
}

function entryOf(event: Sent): Entry {
  const at = Number(event['occurred_at']);
  return {
    minute: at - (at % minuteMs),
    name: String(event['event_name']),
    cents: Math.round(Number(event['revenue_amount'] ?? 0) * 100),
  };
}

async function deliver(url: string, key: string, events: readonly Sent[], onResend: () => void): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    let refused: string | null = null;
    try {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ batch: events }),
        signal: AbortSignal.timeout(15_000),
      });
      const answer = (await response.json()) as { accepted?: number };
      if (response.status === 200 && answer.accepted === events.length) return;
      if (response.status === 200 || response.status < 429) refused = `${response.status} ${JSON.stringify(answer)}`;
    } catch {
      // The collector or its log is away; the same events go again.
    }
    if (refused !== null) throw new Error(`refused for good: ${refused.slice(0, 300)}`);
    if (attempt === 0) onResend();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
