import { randomUUID } from 'node:crypto';
import { askGraph, type Family, freePorts, startFamily, startProgram, temporaryDir, until } from './family.testing.ts';

interface Made {
  readonly apiKey: string;
  readonly appId: string;
  readonly secretKey: string;
  readonly writeKey: string;
}

/** What the owner of an installation does with it: three collector workers, keys by GraphQL, refused events by the command line. */
describe('an operator', () => {
  let folder: Awaited<ReturnType<typeof temporaryDir>>;
  let family: Family;
  let made: Made;
  let ports: { gateway: number; collector: number; warehouse: number };

  const run = async (args: readonly string[]) => {
    const { child, output } = startProgram([
      ...args,
      '--data-dir',
      folder.dir,
      '--warehouse-port',
      String(ports.warehouse),
    ]);
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { code, output: output() };
  };
  const post = (key: string, body: unknown) =>
    fetch(`${family.collectorUrl}/v1/events`, {
      method: 'POST',
      // Each on a connection of its own, so that all workers are met.
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
      body: JSON.stringify(body),
    });
  const ask = async <T>(query: string, variables: Record<string, unknown>): Promise<T> => {
    const { data, errors } = await askGraph<T>(family.gatewayUrl, made.apiKey, query, variables);
    if (errors || data === null) throw new Error(JSON.stringify(errors));
    return data;
  };
  const eventsOf = (name: string) =>
    ask<{ events: { edges: { node: { id: string; properties: unknown } }[] } }>(
      `query ($app: ID!, $name: String!) { events(appId: $app, range: { lastDays: 1 }, name: $name, first: 100) { edges { node { id properties } } } }`,
      { app: made.appId, name },
    );

  beforeAll(async () => {
    folder = await temporaryDir();
    const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
    ports = { gateway, collector, warehouse };
    const init = await run(['init', '--tenant', 'Acme', '--email', 'owner@acme.example', '--app', 'My game']);
    made = JSON.parse(init.output.slice(init.output.indexOf('{'), init.output.lastIndexOf('}') + 1)) as Made;
    family = await startFamily({ dataDir: folder.dir, ports, env: { TRIBUTARY_COLLECTOR_WORKERS: '3' } });
  }, 240_000);
  afterAll(async () => {
    await family?.stop();
    await folder?.dispose();
  }, 60_000);

  it('revokes a key in GraphQL, and every collector worker refuses it within 5 s', async () => {
    const { createWriteKey } = await ask<{ createWriteKey: { key: string; writeKey: { id: string } } }>(
      `mutation ($input: CreateWriteKeyInput!) { createWriteKey(input: $input) { key writeKey { id } userErrors { code message } } }`,
      { input: { idempotencyKey: randomUUID(), appId: made.appId, kind: 'WRITE', label: 'to be revoked' } },
    );
    const event = () => ({ event_name: 'ping', event_id: randomUUID(), anonymous_id: 'a' });
    const statuses = async () =>
      (await Promise.all(Array.from({ length: 24 }, () => post(createWriteKey.key, event())))).map(
        ({ status }) => status,
      );
    await until(async () => (await statuses()).every((status) => status === 200));
    await ask(`mutation ($input: RevokeWriteKeyInput!) { revokeWriteKey(input: $input) { userErrors { code } } }`, {
      input: { idempotencyKey: randomUUID(), keyId: createWriteKey.writeKey.id, confirm: true },
    });
    const revokedAt = Date.now();
    await until(async () => (await statuses()).every((status) => status === 401), 20_000);
    const tookMs = Date.now() - revokedAt;
    process.stdout.write(`a revoked key was refused by every worker after ${tookMs} ms\n`);
    expect(tookMs).toBeLessThanOrEqual(5_000);
    expect(await statuses()).toEqual(Array.from({ length: 24 }, () => 401));
  }, 60_000);

  it('lists a refused event on the command line, looks at it, mends and replays it, once', async () => {
    const answer = await post(made.writeKey, {
      batch: [{ event_name: 'mended', anonymous_id: 'a', revenue_amount: 'a lot', properties: { level: 4 } }],
    });
    expect(await answer.json()).toMatchObject({ accepted: 0, rejected: [{ code: 'SCHEMA_VIOLATION' }] });
    const app = ['--app', made.appId];
    const listed = await until(async () => {
      const { output } = await run(['dead-letters', 'list', ...app, '--code', 'SCHEMA_VIOLATION']);
      return /SCHEMA_VIOLATION/.test(output) ? output : null;
    }, 60_000);
    const id = /^\S+Z {2}(\S+) {2}collector/m.exec(listed)![1]!;
    const shown = await run(['dead-letters', 'show', id, ...app]);
    expect([shown.code, shown.output]).toEqual([0, expect.stringContaining('"revenue_amount":"a lot"')]);

    const unmended = await run(['dead-letters', 'replay', ...app, '--id', id]);
    expect(unmended.output).toContain('rejected  SCHEMA_VIOLATION');
    const fixes = ['--fix', 'revenue_amount="4.99"', '--fix', 'revenue_currency=USD'];
    for (let time = 0; time < 2; time += 1) {
      const replayed = await run(['dead-letters', 'replay', ...app, '--id', id, ...fixes]);
      expect([replayed.code, replayed.output]).toEqual([0, expect.stringContaining('1 of 1 taken')]);
    }
    await until(async () => (await eventsOf('mended')).events.edges.length > 0);
    // The second replay is on its way behind the first: a marker after it tells when it would have been stored.
    await post(made.writeKey, { event_name: 'marker', anonymous_id: 'a', event_id: randomUUID() });
    await until(async () => (await eventsOf('marker')).events.edges.length > 0);
    const { edges } = (await eventsOf('mended')).events;
    expect(edges.map(({ node }) => node.properties)).toEqual([{ level: 4 }]);
  }, 180_000);

  it('replays a refused event by GraphQL too', async () => {
    await post(made.writeKey, { batch: [{ event_name: 'by graph', anonymous_id: 'a', occurred_at: 'yesterday' }] });
    const letter = await until(async () => {
      const { deadLetters } = await ask<{ deadLetters: { edges: { node: { id: string; payload: string } }[] } }>(
        `query ($app: ID!) { deadLetters(appId: $app, filter: { range: { lastDays: 1 }, codes: ["BAD_TIMESTAMP"] }, first: 10) { edges { node { id payload } } } }`,
        { app: made.appId },
      );
      return deadLetters.edges[0]?.node ?? null;
    }, 30_000);
    const { replayDeadLetters } = await ask<{
      replayDeadLetters: { results: { verdict: string }[]; userErrors: unknown[] };
    }>(
      `mutation ($input: ReplayDeadLettersInput!) { replayDeadLetters(input: $input) { results { verdict } userErrors { code message } } }`,
      {
        input: {
          appId: made.appId,
          ids: [letter.id],
          fixes: [{ path: 'occurred_at', value: new Date().toISOString() }],
          idempotencyKey: randomUUID(),
        },
      },
    );
    expect(replayDeadLetters).toMatchObject({ userErrors: [], results: [{ verdict: 'ACCEPTED' }] });
    await until(async () => (await eventsOf('by graph')).events.edges.length === 1);
  }, 60_000);

  it('gets an app’s figures from the cache, until the app has new events or is changed', async () => {
    interface Answer {
      readonly data: { readonly app: { readonly name: string; readonly metrics: { readonly events: number } } };
      readonly extensions: { readonly cost: { readonly actual: number } };
    }
    const askApp = async () => {
      const response = await fetch(`${family.gatewayUrl}/graphql`, {
        method: 'POST',
        headers: { authorization: `Bearer ${made.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          query: 'query ($id: ID!) { app(id: $id) { name metrics(range: { lastDays: 1 }) { events } } }',
          variables: { id: made.appId },
        }),
      });
      return (await response.json()) as Answer;
    };
    const first = await askApp();
    expect(first.extensions.cost.actual).toBeGreaterThan(1);
    // What is kept costs one point.
    const kept = await until(async () => {
      const answer = await askApp();
      return answer.extensions.cost.actual === 1 ? answer : null;
    });
    await post(made.writeKey, { event_name: 'seen_at_once', anonymous_id: 'a', event_id: randomUUID() });
    const { events } = kept.data.app.metrics;
    await until(async () => (await askApp()).data.app.metrics.events === events + 1);
    await until(async () => (await askApp()).extensions.cost.actual === 1);
    await ask(`mutation ($input: UpdateAppInput!) { updateApp(input: $input) { userErrors { code message } } }`, {
      input: { idempotencyKey: randomUUID(), appId: made.appId, name: 'My other game' },
    });
    expect((await askApp()).data.app.name).toBe('My other game');
  }, 60_000);

  it('sets rates of exchange, and reports and exports are in one currency', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const { setFxRates } = await ask<{ setFxRates: { userErrors: unknown[] } }>(
      `mutation ($input: SetFxRatesInput!) { setFxRates(input: $input) { userErrors { code message } } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          rates: [
            { day: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10), from: 'EUR', to: 'USD', rate: '1.25' },
            { day: today, from: 'EUR', to: 'USD', rate: '1.25' },
          ],
        },
      },
    );
    expect(setFxRates.userErrors).toEqual([]);
    const sold = (currency: string) => ({
      event_name: 'purchase',
      event_id: randomUUID(),
      anonymous_id: 'buyer',
      occurred_at: Date.now(),
      revenue_amount: '4.00',
      revenue_currency: currency,
    });
    await post(made.writeKey, { batch: [sold('EUR'), sold('EUR'), sold('USD')] });
    const question = { appIds: [made.appId], metrics: ['REVENUE'], dimensions: ['EVENT_NAME'], range: { lastDays: 1 } };
    await until(async () => {
      const { report } = await ask<{
        report: { edges: { node: { eventName: string; revenue: { amount: string } } }[] };
      }>(
        `query ($appIds: [ID!]!, $metrics: [ReportMetric!]!, $dimensions: [ReportDimension!]!, $range: TimeRange!) {
           report(appIds: $appIds, metrics: $metrics, dimensions: $dimensions, range: $range) { currency edges { node { eventName revenue { amount currency } } } } }`,
        question,
      );
      const amount = report.edges.find(({ node }) => node.eventName === 'purchase')?.node.revenue.amount;
      if (amount !== '14') throw new Error(`purchases of ${amount}, not of 2 × 4 EUR × 1.25 + 4 USD`);
      return true;
    }, 30_000);

    const { exportReport } = await ask<{ exportReport: { job: { id: string }; userErrors: unknown[] } }>(
      `mutation ($input: ExportReportInput!) { exportReport(input: $input) { job { id } userErrors { code message } } }`,
      { input: { ...question, format: 'CSV', idempotencyKey: randomUUID() } },
    );
    const url = await until(async () => {
      const { exportJob } = await ask<{ exportJob: { state: string; downloadUrl: string | null } }>(
        `query ($id: ID!) { exportJob(id: $id) { state downloadUrl errorCode errorMessage } }`,
        { id: exportReport.job.id },
      );
      if (exportJob.state === 'FAILED') throw new Error(JSON.stringify(exportJob));
      return exportJob.downloadUrl;
    }, 30_000);
    const here = new URL(new URL(url).pathname + new URL(url).search, family.gatewayUrl);
    const whole = await (await fetch(here)).text();
    expect(whole).toMatch(/purchase.*14/);
    const rest = await fetch(here, { headers: { range: `bytes=${whole.length - 5}-` } });
    expect([rest.status, await rest.text()]).toEqual([206, whole.slice(-5)]);
    const forged = new URL(here);
    forged.searchParams.set('token', 'x');
    expect((await fetch(forged)).status).toBe(404);
  }, 90_000);
});
