import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Analytics } from '@segment/analytics-node';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { askGraph, until } from './family.testing.ts';
import { openEmbeddedProduct, openProductOfRoles, type Product } from './product.testing.ts';

const postgresUrl = process.env['TRIBUTARY_TEST_POSTGRES_URL'];
const redisUrl = process.env['TRIBUTARY_TEST_REDIS_URL'];
const kafkaBrokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS'];

describe('as one process family on embedded stores', () => describeProduct(openEmbeddedProduct));

if (postgresUrl && redisUrl && kafkaBrokers) {
  describe('as separate roles with Kafka, Postgres and Redis', () =>
    describeProduct(() => openProductOfRoles({ postgresUrl, redisUrl, kafkaBrokers, consumers: 2 })));
} else {
  describe.skip('as separate roles with Kafka, Postgres and Redis [needs TRIBUTARY_TEST_KAFKA_BROKERS, …POSTGRES_URL and …REDIS_URL]', () => {
    it('is not run', () => undefined);
  });
}

const installQuery = /* GraphQL */ `
  query ($id: ID!) {
    install(id: $id) {
      id
      campaign { id name }
      attribution { revision trigger rule campaign { id name } candidates { touchpointId kind matchKey eligible reason explanation } explanation }
      history { revision rule }
      fraud { score verdict reasons model }
    }
  }
`;

interface InstallAnswer {
  readonly install: {
    readonly id: string;
    readonly campaign: { readonly id: string; readonly name: string } | null;
    readonly attribution: {
      readonly revision: number;
      readonly trigger: string;
      readonly rule: string;
      readonly campaign: { readonly id: string; readonly name: string } | null;
      readonly candidates: readonly {
        readonly reason: string;
        readonly kind: string;
        readonly matchKey: string;
        readonly eligible: boolean;
      }[];
    } | null;
    readonly history: readonly { readonly revision: number; readonly rule: string }[];
    readonly fraud: { readonly score: number; readonly model: string } | null;
  } | null;
}

function describeProduct(open: () => Promise<Product>): void {
  let product: Product;
  let live: Client;

  beforeAll(async () => {
    product = await open();
    live = createClient({
      url: `${product.gatewayUrl.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      lazy: true,
      connectionParams: { Authorization: `Bearer ${product.apiKey}` },
    });
  }, 200_000);

  afterAll(async () => {
    await live?.dispose();
    await product?.dispose();
  }, 120_000);

  const post = (key: string, body: unknown) =>
    fetch(`${product.collectorUrl}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const ask = <T>(query: string, variables: Record<string, unknown> = {}) =>
    askGraph<T>(product.gatewayUrl, product.apiKey, query, variables);
  const decided = (id: string, accept: (install: NonNullable<InstallAnswer['install']>) => boolean) =>
    until(async () => {
      const { data } = await ask<InstallAnswer>(installQuery, { id });
      return data?.install && accept(data.install) ? data.install : null;
    }, 30_000);

  it('names the campaign of an install that followed a click on a tracking link, and says why', async () => {
    const campaign = product.app.campaigns[0]!;
    const gaid = randomUUID();
    const click = await fetch(`${product.collectorUrl}/c/${campaign.slug}?gaid=${gaid}`, { redirect: 'manual' });
    expect(click.status).toBe(302);
    const eventId = randomUUID();
    const answer = await post(product.app.writeKey, {
      event_name: 'install',
      event_id: eventId,
      anonymous_id: randomUUID(),
      gaid,
      occurred_at: Date.now() + 5_000,
    });
    expect(answer.status).toBe(200);
    const install = await decided(
      `${product.app.appId}:native:${eventId}`,
      (found) => found.campaign !== null && found.fraud !== null,
    );
    expect(install.campaign?.id).toBe(campaign.campaignId);
    expect(install.attribution?.rule).toBe('CLICK_DEVICE_ID');
    expect(install.attribution?.candidates).toEqual([
      expect.objectContaining({ reason: 'WON', kind: 'CLICK', matchKey: 'DEVICE_ID' }),
    ]);
    expect(install.fraud?.model).toContain('rules');
  }, 60_000);

  it('revises the decision, visibly, when the click arrives after its install', async () => {
    const campaign = product.app.campaigns[1]!;
    const gaid = randomUUID();
    const eventId = randomUUID();
    const now = Date.now();
    await post(product.app.writeKey, {
      event_name: 'install',
      event_id: eventId,
      anonymous_id: randomUUID(),
      gaid,
      occurred_at: now,
    });
    const id = `${product.app.appId}:native:${eventId}`;
    const organic = await decided(id, (found) => found.attribution !== null);
    expect(organic.attribution).toMatchObject({ revision: 1, rule: 'ORGANIC', campaign: null });
    const late = await post(product.app.secretKey, {
      event_name: 'click',
      event_kind: 'click',
      event_id: randomUUID(),
      gaid,
      campaign_id: campaign.campaignId,
      network: campaign.network,
      occurred_at: now - 60_000,
    });
    expect(late.status).toBe(200);
    const revised = await decided(id, (found) => (found.attribution?.revision ?? 0) > 1);
    expect(revised.attribution).toMatchObject({ revision: 2, trigger: 'LATE_TOUCHPOINT', rule: 'CLICK_DEVICE_ID' });
    expect(revised.campaign?.id).toBe(campaign.campaignId);
    expect(revised.history.map((entry) => entry.rule).sort()).toEqual(['CLICK_DEVICE_ID', 'ORGANIC']);
  }, 90_000);

  it('answers one query across all four subgraphs', async () => {
    const campaign = product.app.campaigns[0]!;
    const query = /* GraphQL */ `
      query ($appId: ID!, $range: TimeRange!) {
        app(id: $appId) { name metrics(range: $range) { installs } attribution(range: $range) { attributedInstalls } predictedLtv(range: $range) { installs } }
        campaigns(appId: $appId, first: 50) {
          edges { node {
            id name
            spend(range: $range) { amount currency }
            installs(range: $range) revenue(range: $range) { amount currency } roas(range: $range)
            credit(range: $range, models: [FIRST_TOUCH, LAST_TOUCH, LINEAR]) { model conversions value { amount } }
            predictedLtv(range: $range, horizonDays: 90) { installs perInstall { amount currency } }
          } }
        }
      }
    `;
    interface Answer {
      app: {
        name: string;
        metrics: { installs: number };
        attribution: { attributedInstalls: number };
        predictedLtv: { installs: number };
      };
      campaigns: {
        edges: {
          node: {
            id: string;
            name: string;
            spend: { amount: string; currency: string };
            installs: number;
            credit: { model: string; conversions: number }[];
            predictedLtv: { installs: number };
          };
        }[];
      };
    }
    const data = await until(async () => {
      const answer = await ask<Answer>(query, { appId: product.app.appId, range: { lastDays: 30 } });
      if (answer.errors) throw new Error(JSON.stringify(answer.errors));
      const found = answer.data?.campaigns.edges.find((edge) => edge.node.id === campaign.campaignId)?.node;
      return found && found.installs > 0 && found.credit.every((share) => share.conversions > 0) ? answer.data : null;
    }, 30_000);
    const node = data!.campaigns.edges.find((edge) => edge.node.id === campaign.campaignId)!.node;
    expect(Number(node.spend.amount)).toBeGreaterThan(0);
    expect(node.credit.map((share) => share.model)).toEqual(['FIRST_TOUCH', 'LAST_TOUCH', 'LINEAR']);
    expect(node.predictedLtv.installs).toBe(node.installs);
    expect(data!.app.attribution.attributedInstalls).toBeGreaterThan(0);
  }, 60_000);

  it('shows the events of the Segment SDK in the graph and in liveMetrics', async () => {
    const appId = product.otherApp.appId;
    const analytics = new Analytics({
      writeKey: product.otherApp.writeKey,
      host: product.collectorUrl,
      path: '/v1/batch',
      maxEventsInBatch: 1,
    });
    const waiting = new Map<number, { sentAt: number; live?: number; graph?: number }>();
    const totals: { sessions: number; rows: unknown[] }[] = [];
    let sessionsAtStart = -1;
    const subscription = live.iterate<{
      liveMetrics: { totals: { sessions: number }; rows: { campaign: { name: string } | null; sessions: number }[] };
    }>({
      query: `subscription ($appId: ID!) { liveMetrics(appId: $appId, window: LAST_HOUR) { cursor totals { sessions } rows { campaign { name } installs sessions revenue { amount } } } }`,
      variables: { appId },
    });
    const reading = (async () => {
      for await (const result of subscription) {
        if (result.errors) throw new Error(JSON.stringify(result.errors));
        const { sessions } = result.data!.liveMetrics.totals;
        if (sessionsAtStart < 0) sessionsAtStart = sessions;
        totals.push({ sessions, rows: result.data!.liveMetrics.rows });
        for (const [index, entry] of waiting)
          if (entry.live === undefined && sessions >= sessionsAtStart + index + 1)
            entry.live = Date.now() - entry.sentAt;
      }
    })();
    await until(async () => sessionsAtStart >= 0, 20_000);
    const count = 200;
    for (let index = 0; index < count; index += 1) {
      waiting.set(index, { sentAt: Date.now() });
      analytics.track({ anonymousId: `segment-${index}`, event: 'Application Opened', properties: { index } });
      await analytics.flush();
      const entry = waiting.get(index)!;
      await until(
        async () => {
          const answer = await ask<{ app: { metrics: { sessions: number } } }>(
            `query ($appId: ID!) { app(id: $appId) { metrics(range: { lastDays: 1 }) { sessions } } }`,
            { appId },
          );
          if (answer.errors) throw new Error(JSON.stringify(answer.errors));
          return (answer.data?.app.metrics.sessions ?? 0) >= sessionsAtStart + index + 1;
        },
        20_000,
        10,
      );
      entry.graph = Date.now() - entry.sentAt;
    }
    await until(async () => [...waiting.values()].every((entry) => entry.live !== undefined), 20_000);
    await subscription.return?.();
    await reading;
    await analytics.closeAndFlush();
    const p = (values: number[], share: number) =>
      values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
    const graph = [...waiting.values()].map((entry) => entry.graph!);
    const seen = [...waiting.values()].map((entry) => entry.live!);
    process.stdout.write(
      `freshness of ${count} Segment events, from the SDK's request: federated query p50 ${p(graph, 0.5)} ms, p99 ${p(graph, 0.99)} ms; liveMetrics p50 ${p(seen, 0.5)} ms, p99 ${p(seen, 0.99)} ms\n`,
    );
    expect(totals.at(-1)!.sessions).toBe(sessionsAtStart + count);
  }, 180_000);

  it('counts an event that is sent twice once', async () => {
    const eventId = randomUUID();
    const event = {
      event_name: 'purchase',
      event_id: eventId,
      anonymous_id: randomUUID(),
      occurred_at: Date.now(),
      revenue_amount: '4.99',
      revenue_currency: 'USD',
    };
    const before = await ask<{ app: { metrics: { purchases: number } } }>(metricsQuery, { appId: product.app.appId });
    for (let i = 0; i < 3; i += 1) expect((await post(product.app.writeKey, event)).status).toBe(200);
    const marker = { ...event, event_id: randomUUID() };
    await post(product.app.writeKey, marker);
    await until(async () => {
      const { data } = await ask<{ app: { metrics: { purchases: number } } }>(metricsQuery, {
        appId: product.app.appId,
      });
      return data!.app.metrics.purchases >= before.data!.app.metrics.purchases + 2;
    });
    const after = await ask<{ app: { metrics: { purchases: number } } }>(metricsQuery, { appId: product.app.appId });
    expect(after.data!.app.metrics.purchases).toBe(before.data!.app.metrics.purchases + 2);
  }, 60_000);

  const metricsQuery = `query ($appId: ID!) { app(id: $appId) { metrics(range: { lastDays: 1 }) { purchases } } }`;

  describe('answers bad input with a coded error and loses nothing', () => {
    const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code;

    it('refuses an unknown key', async () => {
      const response = await post('trk_nobody', { event_name: 'x', anonymous_id: 'a' });
      expect([response.status, await codeOf(response)]).toEqual([401, 'UNAUTHENTICATED']);
      const graph = await askGraph(product.gatewayUrl, 'nobody', '{ apps { id } }');
      expect(graph.errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED');
    });

    it('refuses an unparsable body', async () => {
      const response = await post(product.app.writeKey, '{"event_name":');
      expect([response.status, await codeOf(response)]).toEqual([400, 'BODY_UNPARSABLE']);
    });

    it('keeps the good events of a batch with one that has no name', async () => {
      const response = await post(product.app.writeKey, {
        batch: [{ event_name: 'a', anonymous_id: 'x' }, { anonymous_id: 'x' }, { event_name: 'b', anonymous_id: 'x' }],
      });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({
        accepted: 2,
        rejected: [{ index: 1, code: 'EVENT_NAME_MISSING' }],
      });
    });

    it('answers a foreign or unknown campaign with NOT_FOUND', async () => {
      const answer = await ask(`{ campaign(id: "cmp_0000000000000000") { id } }`);
      expect(answer.errors?.[0]?.extensions?.code).toBe('NOT_FOUND');
    });

    it('answers invalid GraphQL with its code and no stack trace', async () => {
      const parse = await ask('{ apps {');
      expect(parse.errors?.[0]?.extensions?.code).toBe('GRAPHQL_PARSE_FAILED');
      const validation = await ask('{ appz { id } }');
      expect(validation.errors?.[0]?.extensions?.code).toBe('GRAPHQL_VALIDATION_FAILED');
      expect(JSON.stringify([parse, validation])).not.toMatch(/node_modules|\.ts:|at Object/);
    });

    it('refuses a subscription over plain HTTP', async () => {
      const answer = await ask('subscription { liveMetrics(appId: "x", window: LAST_HOUR) { cursor } }');
      expect(answer.errors?.[0]?.extensions?.code).toBe('SUBSCRIPTION_OVER_HTTP');
    });
  });

  it('answers the examples of the README', async () => {
    const page = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const examples = new Map(
      [...page.matchAll(/<!-- example: ([a-z-]+) -->\n```graphql\n([\s\S]*?)```/g)].map(([, name, text]) => [
        name!,
        text!,
      ]),
    );
    expect([...examples.keys()]).toEqual(['first-query', 'first-subscription', 'why']);
    const first = await ask(examples.get('first-query')!, { appId: product.app.appId });
    expect(first.errors).toBeUndefined();
    const eventId = randomUUID();
    await post(product.app.writeKey, { event_name: 'install', event_id: eventId, anonymous_id: 'readme' });
    const why = await until(async () => {
      const answer = await ask<{ install: unknown }>(examples.get('why')!, {
        id: `${product.app.appId}:native:${eventId}`,
      });
      if (answer.errors) throw new Error(JSON.stringify(answer.errors));
      return answer.data?.install ?? null;
    });
    expect(why).toHaveProperty('attribution');
    const stream = live.iterate({
      query: examples.get('first-subscription')!,
      variables: { appId: product.app.appId },
    });
    const payload = await stream.next();
    await stream.return?.();
    expect(payload.value.errors).toBeUndefined();
    expect(payload.value.data.liveMetrics.rows).toEqual(expect.any(Array));
  }, 60_000);

  it('serves health, readiness and metrics on both ports', async () => {
    for (const url of [product.gatewayUrl, product.collectorUrl]) {
      for (const path of ['/health', '/ready', '/metrics']) {
        const response = await fetch(url + path);
        expect([url + path, response.status]).toEqual([url + path, 200]);
        await response.arrayBuffer();
      }
    }
  });
}
