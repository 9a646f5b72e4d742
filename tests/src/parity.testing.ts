import { askGraph, type GraphQLAnswer, until } from './family.testing.ts';
import { type Question, questions } from './parity-questions.testing.ts';
import type { Product } from './product.testing.ts';

const dayMs = 86_400_000;

/** A generator with a seed, so that both forms get the same people. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface Corpus {
  readonly from: string;
  readonly to: string;
  readonly day: { readonly from: string; readonly to: string };
  readonly installs: number;
  readonly events: number;
  /** Bodies of the native API with campaigns by their place in the product's list. */
  eventsFor(campaignIds: readonly string[]): readonly Record<string, unknown>[];
  readonly segmentBatch: readonly Record<string, unknown>[];
}

/** Five days of 120 people that end at the midnight before yesterday's, so that nothing in it is still growing. */
export function buildCorpus(now: number): Corpus {
  const end = Math.floor(now / dayMs) * dayMs - dayMs;
  const begin = end - 5 * dayMs;
  const people = 120;
  const eventsFor = (campaignIds: readonly string[]) => {
    const random = seeded(20_261_124);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
    const events: Record<string, unknown>[] = [];
    for (let person = 0; person < people; person += 1) {
      const gaid = `00000000-0000-4000-8000-${String(person).padStart(12, '0')}`;
      const base = { anonymous_id: `person-${person}`, gaid, country: pick(['DE', 'US', 'BR']), platform: 'android' };
      const installedAt = begin + Math.floor(random() * 4 * dayMs);
      for (let click = 0; click < Math.floor(random() * 3); click += 1)
        events.push({
          event_name: 'click',
          event_kind: 'click',
          event_id: `click-${person}-${click}`,
          gaid,
          campaign_id: pick(campaignIds),
          occurred_at: installedAt - Math.floor(random() * 2 * dayMs) - 60_000,
        });
      events.push({ ...base, event_name: 'install', event_id: `install-${person}`, occurred_at: installedAt });
      for (let session = 0; session < 3; session += 1)
        events.push({
          ...base,
          event_name: 'session',
          event_id: `session-${person}-${session}`,
          occurred_at: installedAt + Math.floor(random() * dayMs * 0.9) + session,
        });
      if (random() < 0.6)
        events.push({
          ...base,
          event_name: pick(['purchase', 'purchase', 'refund']),
          event_id: `money-${person}`,
          occurred_at: installedAt + Math.floor(random() * dayMs * 0.9) + 10,
          revenue_amount: (Math.floor(random() * 2_000) / 100).toFixed(2),
          revenue_currency: pick(['USD', 'USD', 'EUR']),
          properties: { sku: `gem_${person % 7}`, big: Number.MAX_SAFE_INTEGER },
        });
    }
    return events;
  };
  const segmentBatch = Array.from({ length: 30 }, (_, index) => ({
    type: 'track',
    event: 'Order Completed',
    messageId: `segment-${index}`,
    anonymousId: `person-${index}`,
    timestamp: new Date(begin + dayMs + index * 61_000).toISOString(),
    properties: { revenue: index + 0.5, currency: 'USD', order_id: `o-${index}` },
  }));
  const iso = (at: number) => new Date(at).toISOString();
  return {
    from: iso(begin),
    to: iso(end),
    day: { from: iso(begin + 2 * dayMs), to: iso(begin + 3 * dayMs) },
    installs: people,
    events: eventsFor(['x']).length + segmentBatch.length,
    eventsFor,
    segmentBatch,
  };
}

/** Posts the corpus, every tenth event twice, and resolves once all is stored, decided, joined to journeys and scored. */
export async function fill(product: Product, corpus: Corpus): Promise<void> {
  const events = corpus.eventsFor(product.app.campaigns.map(({ campaignId }) => campaignId));
  const repeated = [...events, ...events.filter((_, index) => index % 10 === 0)];
  for (let start = 0; start < repeated.length; start += 200)
    await post(product, '/v1/events', { batch: repeated.slice(start, start + 200) });
  await post(product, '/v1/batch', { batch: corpus.segmentBatch });
  const state = `query ($appId: ID!, $range: TimeRange!) {
    app(id: $appId) { metrics(range: $range) { events } attribution(range: $range) { attributedInstalls organicInstalls reinstalls unattributedConversions } predictedLtv(range: $range) { scored } }
    campaigns(appId: $appId, first: 50) { edges { node { installs(range: $range) credit(range: $range, models: [LINEAR]) { conversions } fraud(range: $range) { scored } predictedLtv(range: $range) { scored } } } } }`;
  let last = '';
  let same = 0;
  // Workers revise what they decided, so the figures count as final once they stood still for a while.
  await until(
    async () => {
      const answer = await ask(product, state, { appId: product.app.appId, range: rangeOf(corpus) });
      if (answer.errors) throw new Error(JSON.stringify(answer.errors));
      const text = JSON.stringify(answer.data);
      same = text === last ? same + 1 : 0;
      last = text;
      const { attributedInstalls, organicInstalls, reinstalls } = (
        answer.data as { app: { attribution: Record<string, number> } }
      ).app.attribution;
      const decided = attributedInstalls! + organicInstalls! + reinstalls!;
      if (decided < corpus.installs) throw new Error(`${decided} installs decided: ${text}`);
      return same >= 12;
    },
    120_000,
    500,
  );
}

async function post(product: Product, path: string, body: unknown): Promise<void> {
  const response = await fetch(product.collectorUrl + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.app.secretKey}` },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { rejected?: unknown[] };
  if (response.status !== 200 || (answer.rejected?.length ?? 0) > 0)
    throw new Error(`${path} answered ${response.status}: ${JSON.stringify(answer)}`);
}

const rangeOf = (corpus: Corpus) => ({ from: corpus.from, to: corpus.to });
const ask = (product: Product, query: string, variables: Record<string, unknown>): Promise<GraphQLAnswer<unknown>> =>
  askGraph(product.gatewayUrl, product.apiKey, query, variables);

/** Every question's answer as text, ids that a product makes itself replaced by what they stand for. */
export async function answersOf(product: Product, corpus: Corpus): Promise<ReadonlyMap<string, string>> {
  const known = await ask(
    product,
    'query ($appId: ID!) { viewer { tenantId } app(id: $appId) { goals { id name } trackingLinks { id slug campaign { name } } } }',
    { appId: product.app.appId },
  );
  const { viewer, app } = known.data as {
    viewer: { tenantId: string };
    app: {
      goals: { id: string; name: string }[];
      trackingLinks: { id: string; slug: string; campaign: { name: string } | null }[];
    };
  };
  const variables = {
    appId: product.app.appId,
    otherAppId: product.otherApp.appId,
    campaignId: product.app.campaigns[0]!.campaignId,
    goalId: app.goals.find(({ name }) => name === 'purchase')!.id,
    installId: `${product.app.appId}:native:install-7`,
    range: rangeOf(corpus),
    day: corpus.day,
  };
  const names: [string, string][] = [
    [viewer.tenantId, '<tenant>'],
    [product.app.appId, '<app>'],
    [product.otherApp.appId, '<other app>'],
    [product.collectorUrl, '<collector>'],
    ...product.app.campaigns.map(({ campaignId }, index): [string, string] => [campaignId, `<campaign ${index}>`]),
    ...app.trackingLinks.flatMap(({ id, slug, campaign }): [string, string][] => [
      [id, `<link of ${campaign?.name}>`],
      [slug, `<slug of ${campaign?.name}>`],
    ]),
    ...app.goals.map(({ id, name }): [string, string] => [id, `<goal ${name}>`]),
  ];
  const answers = new Map<string, string>();
  for (const question of questions) {
    const answer = await ask(product, question.query, variablesOf(question, variables));
    let text = JSON.stringify(answer, (key, value: unknown) =>
      key === 'requestId' || key === 'cost' ? undefined : value,
    );
    for (const [id, name] of names) text = text.replaceAll(id, name);
    answers.set(question.title, text);
  }
  return answers;
}

/** Only what the document declares: an undeclared variable is a fault of its own. */
function variablesOf(question: Question, all: Record<string, unknown>): Record<string, unknown> {
  const given = { ...all, ...question.variables };
  return Object.fromEntries(Object.entries(given).filter(([name]) => question.query.includes(`$${name}:`)));
}
