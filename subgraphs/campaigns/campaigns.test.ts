import { createApp, createTenant } from '@tributary/prisma/accounts';
import {
  createCampaign,
  createGoal,
  createPartner,
  createTrackingLink,
  recordCosts,
} from '@tributary/prisma/campaigns';
import type { Relational } from '@tributary/prisma/client';
import { createRelationalDirectory } from '@tributary/prisma/directory';
import { describeEachStore, type TestStore } from '@tributary/prisma/relational.testing';
import { type Caller, loadConfig, signCaller } from '@tributary/schema';
import { graphql } from 'graphql';
import { pino } from 'pino';
import { codedCauseOf } from '../src/kit.ts';
import type { Subgraph } from '../src/types.ts';
import { createCampaignsSubgraph } from './index.ts';

const secret = 's'.repeat(32);
const now = Date.parse('2026-11-24T12:00:00Z');

/** The same content for each tenant, told apart by their ids, slugs and partner names. */
async function furnish(relational: Relational, mark: string) {
  const { tenantId } = await createTenant(relational, { name: `Tenant ${mark}` });
  const { partnerId } = await createPartner(relational, { tenantId, name: `Partner ${mark}`, network: 'northwind' });
  const apps = [];
  for (const name of ['Alpha', 'Beta']) {
    const settings = { platform: 'ios', currency: 'USD', timezone: 'America/New_York' } as const;
    const { appId } = await createApp(relational, { tenantId, name: `${name} ${mark}`, ...settings });
    await createGoal(relational, { tenantId, appId, name: `goal ${mark}`, eventKind: 'purchase' });
    const campaignIds: string[] = [];
    for (const campaign of ['One', 'Two', 'Three']) {
      const given = { tenantId, appId, name: `${campaign} ${mark}`, ...(campaign === 'Three' ? {} : { partnerId }) };
      const { campaignId } = await createCampaign(relational, given);
      const slug = `${mark}-${name}-${campaign}`;
      await createTrackingLink(relational, { tenantId, appId, campaignId, slug, targetUrl: 'https://example.com' });
      campaignIds.push(campaignId);
    }
    apps.push({ appId, campaignIds });
  }
  const [first, second] = apps;
  if (!first || !second) throw new Error('two apps are made above');
  return { tenantId, partnerId, first, second };
}

const everything = /* GraphQL */ `
  {
    viewer { tenantId tenantName keyId scopes }
    apps {
      id name platform currency timezone enabled
      goals { id name eventKind eventName }
      trackingLinks { id slug url targetUrl expiresAt campaign { id name } }
    }
  }
`;

const page = /* GraphQL */ `
  query ($appId: ID!, $first: Int!, $after: String) {
    campaigns(appId: $appId, first: $first, after: $after) {
      edges { cursor node { id name network status app { id } partner { id name } spend(range: { lastDays: 30 }) { amount currency } trackingLinks { slug } } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

const entities = /* GraphQL */ `
  query ($references: [_Any!]!) {
    _entities(representations: $references) {
      ... on App { id name }
      ... on Campaign { id name spend(range: { lastDays: 30 }) { amount } }
      ... on Partner { id name }
    }
  }
`;

describeEachStore('the campaigns subgraph', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let subgraph: Subgraph;
  let ours: Awaited<ReturnType<typeof furnish>>;
  let theirs: Awaited<ReturnType<typeof furnish>>;
  let statements: string[] = [];
  let disposeDirectory: () => Promise<void> = async () => undefined;

  const callerOf = (caller: Partial<Caller> = {}): Caller => ({
    tenantId: ours.tenantId,
    appIds: null,
    scopes: ['read:reports'],
    keyId: 'key_test',
    requestId: 'req_test',
    expiresAt: now + 60_000,
    ...caller,
  });

  async function ask(source: string, variableValues: Record<string, unknown> = {}, caller: Partial<Caller> = {}) {
    statements = [];
    const contextValue = subgraph.createContext({ callerToken: signCaller(callerOf(caller), secret) });
    const { data, errors = [] } = await graphql({ schema: subgraph.schema, source, variableValues, contextValue });
    return {
      // Plain objects: the executor's have no prototype.
      data: JSON.parse(JSON.stringify(data ?? null)),
      errors: errors.map((error) => ({ code: codedCauseOf(error)?.code, message: error.message, path: error.path })),
    };
  }

  beforeAll(async () => {
    store = await openStore();
    relational = await store.openMigrated();
    ours = await furnish(relational, 'ours');
    theirs = await furnish(relational, 'theirs');
    for (const { tenantId, first } of [ours, theirs]) {
      const [campaignId = ''] = first.campaignIds;
      const rows = [
        ['2026-10-24', '1000'],
        ['2026-11-21', '0.1'],
        ['2026-11-22', '0.2'],
        ['2026-11-23', '123456789012345678.000001'],
        ['2026-11-24', '10'],
      ].map(([day = '', amount = '']) => ({ campaignId, day, amount, currency: 'USD' }));
      await recordCosts(relational, { tenantId, rows });
    }
    const counted = relational.client.$extends({
      query: {
        $allOperations({ model, operation, args, query }) {
          statements.push(model ? `${model}.${operation}` : operation);
          return query(args);
        },
      },
    });
    const unused = {} as never;
    const directory = await createRelationalDirectory(relational, { pollMs: 3_600_000 });
    disposeDirectory = () => directory.dispose();
    subgraph = createCampaignsSubgraph({
      warehouse: unused,
      directory,
      liveBus: unused,
      cache: unused,
      clock: { now: () => now },
      logger: pino({ level: 'silent' }),
      config: loadConfig({ TRIBUTARY_COLLECTOR_PUBLIC_URL: 'https://go.example/' }),
      signingSecret: secret,
      relational: { ...relational, client: counted as unknown as Relational['client'] },
    });
  });

  afterAll(async () => {
    await subgraph.dispose();
    await disposeDirectory();
    await store.dispose();
  });

  it('says who asks, without any scope', async () => {
    const { data, errors } = await ask('{ viewer { tenantId tenantName keyId scopes } }', {}, { scopes: [] });
    expect(errors).toEqual([]);
    expect(data.viewer).toEqual({ tenantId: ours.tenantId, tenantName: 'Tenant ours', keyId: 'key_test', scopes: [] });
  });

  it('shows the apps of the tenant whole, with one statement per kind of row', async () => {
    const { data, errors } = await ask(everything);
    expect(errors).toEqual([]);
    expect(data.apps).toMatchObject([
      { id: ours.first.appId, name: 'Alpha ours', platform: 'IOS', currency: 'USD', enabled: true },
      { id: ours.second.appId, name: 'Beta ours' },
    ]);
    expect(data.apps[0].goals).toMatchObject([{ name: 'goal ours', eventKind: 'purchase', eventName: null }]);
    expect(data.apps[0].trackingLinks).toHaveLength(3);
    expect(data.apps[0].trackingLinks).toContainEqual({
      id: expect.stringMatching(/^lnk_/),
      slug: 'ours-Alpha-One',
      url: 'https://go.example/c/ours-Alpha-One',
      targetUrl: 'https://example.com',
      expiresAt: null,
      campaign: { id: ours.first.campaignIds[0], name: 'One ours' },
    });
    expect(statements.sort()).toEqual([
      'App.findMany',
      'Campaign.findMany',
      'Goal.findMany',
      'Tenant.findUnique',
      'TrackingLink.findMany',
    ]);
  });

  it('lets nothing of one tenant through to another', async () => {
    for (const [reader, other] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const { tenantId } = reader;
      const seen = JSON.stringify([
        await ask(everything, {}, { tenantId }),
        await ask(page, { appId: reader.first.appId, first: 100 }, { tenantId }),
        await ask(page, { appId: reader.second.appId, first: 100 }, { tenantId }),
      ]);
      expect(seen).toContain(reader.first.campaignIds[0]);
      for (const secretId of [
        other.tenantId,
        other.partnerId,
        ...[other.first, other.second].flatMap(({ appId, campaignIds }) => [appId, ...campaignIds]),
      ]) {
        expect(seen).not.toContain(secretId);
      }
      expect(seen).not.toMatch(other === theirs ? /theirs/ : /ours/);
    }
  });

  it.each([
    ['app', 'query ($id: ID!) { it: app(id: $id) { id } }', () => theirs.first.appId],
    ['campaign', 'query ($id: ID!) { it: campaign(id: $id) { id } }', () => theirs.first.campaignIds[0]],
    [
      'campaigns of an app',
      'query ($id: ID!) { it: campaigns(appId: $id) { edges { cursor } } }',
      () => theirs.first.appId,
    ],
  ])('answers alike for a foreign and an unknown id: %s', async (_title, source, foreignId) => {
    const foreign = await ask(source, { id: foreignId() });
    const unknown = await ask(source, { id: 'nothing_of_that_id' });
    const odd = await ask(source, { id: 'with\u0000zero' });
    expect(foreign.errors).toMatchObject([{ code: 'NOT_FOUND' }]);
    expect(foreign).toEqual(unknown);
    expect(odd).toEqual(unknown);
  });

  it('resolves references to null where they are foreign, unknown or out of the key’s apps', async () => {
    const references = [
      { __typename: 'App', id: ours.first.appId },
      { __typename: 'App', id: theirs.first.appId },
      { __typename: 'Campaign', id: ours.first.campaignIds[1] },
      { __typename: 'Campaign', id: ours.second.campaignIds[1] },
      { __typename: 'Campaign', id: theirs.first.campaignIds[0] },
      { __typename: 'Campaign', id: 'cmp_none' },
      { __typename: 'Partner', id: ours.partnerId },
      { __typename: 'Partner', id: theirs.partnerId },
    ];
    const all = await ask(entities, { references });
    expect(all.errors).toEqual([]);
    expect(all.data._entities.map((one: { id: string } | null) => one?.id ?? null)).toEqual([
      ours.first.appId,
      null,
      ours.first.campaignIds[1],
      ours.second.campaignIds[1],
      null,
      null,
      ours.partnerId,
      null,
    ]);
    // Apps, campaigns and partners by reference, and the spend of all campaigns: their currencies are in the directory.
    expect(statements.sort()).toEqual(['$queryRaw', 'App.findMany', 'Campaign.findMany', 'Partner.findMany']);
    const restricted = await ask(entities, { references }, { appIds: [ours.first.appId, theirs.first.appId] });
    expect(restricted.data._entities.map((one: unknown) => one !== null)).toEqual([
      true,
      false,
      true,
      false,
      false,
      false,
      true,
      false,
    ]);
  });

  it('keeps a key to its apps', async () => {
    const appIds = [ours.second.appId, theirs.first.appId];
    const { data } = await ask(everything, {}, { appIds });
    expect(data.apps.map(({ id }: { id: string }) => id)).toEqual([ours.second.appId]);
    const source = 'query ($id: ID!) { campaign(id: $id) { id } }';
    const { errors } = await ask(source, { id: ours.first.campaignIds[0] }, { appIds });
    expect(errors).toMatchObject([{ code: 'NOT_FOUND' }]);
    expect((await ask('{ apps { id } }', {}, { appIds: [] })).data.apps).toEqual([]);
  });

  it('needs read:reports for all but the viewer', async () => {
    const asked = [
      ask('{ apps { id } }', {}, { scopes: ['admin', 'read:personal', 'ingest:write'] }),
      ask('query ($id: ID!) { app(id: $id) { id } }', { id: ours.first.appId }, { scopes: [] }),
      ask('query ($id: ID!) { campaign(id: $id) { id } }', { id: ours.first.campaignIds[0] }, { scopes: [] }),
      ask(page, { appId: ours.first.appId, first: 1 }, { scopes: [] }),
      ask(entities, { references: [{ __typename: 'App', id: ours.first.appId }] }, { scopes: [] }),
    ];
    for (const { errors } of await Promise.all(asked)) expect(errors).toMatchObject([{ code: 'FORBIDDEN' }]);
  });

  it('pages campaigns by name through opaque cursors, each once', async () => {
    const { appId } = ours.first;
    const names: string[] = [];
    let after: string | null = null;
    for (let guard = 0; guard < 5; guard += 1) {
      const { data, errors }: Awaited<ReturnType<typeof ask>> = await ask(page, { appId, first: 2, after });
      expect(errors).toEqual([]);
      names.push(...data.campaigns.edges.map(({ node }: { node: { name: string } }) => node.name));
      expect(data.campaigns.pageInfo.hasPreviousPage).toBe(after !== null);
      if (!data.campaigns.pageInfo.hasNextPage) break;
      after = data.campaigns.pageInfo.endCursor;
    }
    expect(names).toEqual(['One ours', 'Three ours', 'Two ours']);
  });

  it.each([
    ['a cursor of nothing', { after: 'nonsense' }],
    ['a cursor of another form', { after: Buffer.from('[1]').toString('base64url') }],
    ['a cursor with a zero', { after: Buffer.from('["a\\u0000","b"]').toString('base64url') }],
    ['none', { first: 0 }],
    ['too many', { first: 101 }],
  ])('refuses a page of %s', async (_title, wrong) => {
    const { errors } = await ask(page, { appId: ours.first.appId, first: 2, ...wrong });
    expect(errors).toMatchObject([{ code: 'BAD_USER_INPUT' }]);
  });

  it('reads a page of campaigns with their apps, partners, spend and links in one statement each', async () => {
    const { data } = await ask(page, { appId: ours.first.appId, first: 100 });
    expect(data.campaigns.edges.map(({ node }: { node: { partner: unknown } }) => node.partner)).toEqual([
      { id: ours.partnerId, name: 'Partner ours' },
      null,
      { id: ours.partnerId, name: 'Partner ours' },
    ]);
    expect(statements.sort()).toEqual([
      '$queryRaw',
      'App.findMany',
      'Campaign.findMany',
      'Partner.findMany',
      'TrackingLink.findMany',
    ]);
  });

  it('sums costs exactly, by days that begin in the range in the app’s zone', async () => {
    const source = /* GraphQL */ `query ($id: ID!, $none: ID!) {
      campaign(id: $id) {
        all: spend(range: { lastDays: 30 }) { amount currency }
        # 00:00 in New York is 05:00 UTC in November.
        two: spend(range: { from: "2026-11-21T05:00:00Z", to: "2026-11-23T05:00:00Z" }) { amount }
        one: spend(range: { from: "2026-11-21T05:00:00.001Z", to: "2026-11-23T05:00:00Z" }) { amount }
        three: spend(range: { from: "2026-11-21T05:00:00Z", to: "2026-11-23T05:00:00.001Z" }) { amount }
        none: spend(range: { from: "2026-11-21T06:00:00Z", to: "2026-11-21T23:00:00Z" }) { amount }
      }
      without: campaign(id: $none) { spend(range: { lastDays: 400 }) { amount currency } }
    }`;
    const [id, none] = ours.first.campaignIds;
    const { data, errors } = await ask(source, { id, none });
    expect(errors).toEqual([]);
    expect(data).toEqual({
      campaign: {
        all: { amount: '123456789012345688.300001', currency: 'USD' },
        two: { amount: '0.3' },
        one: { amount: '0.2' },
        three: { amount: '123456789012345678.300001' },
        none: { amount: '0' },
      },
      without: { spend: { amount: '0', currency: 'USD' } },
    });
    expect(statements.filter((name) => name === '$queryRaw')).toHaveLength(1);
  });

  it('refuses a range that is none', async () => {
    const source = 'query ($id: ID!) { campaign(id: $id) { spend(range: { lastDays: 401 }) { amount } } }';
    const { errors } = await ask(source, { id: ours.first.campaignIds[0] });
    expect(errors).toMatchObject([{ code: 'BAD_USER_INPUT' }]);
  });

  it('answers over HTTP with codes of the catalogue, and no one without a signature', async () => {
    const post = async (extensions: Record<string, unknown>) => {
      const response = await subgraph.fetch(
        new Request('http://subgraph/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'application/json' },
          body: JSON.stringify({ query: '{ app(id: "app_none") { id } }', extensions }),
        }),
      );
      return (await response.json()) as { errors: { message: string; extensions: { code: string } }[] };
    };
    const signed = await post({ caller: signCaller(callerOf(), secret) });
    expect(signed.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
    const forged = await post({ caller: signCaller(callerOf(), 'f'.repeat(32)) });
    expect(forged.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('describes every type and field of its own', () => {
    const own = Object.values(subgraph.schema.getTypeMap()).filter(
      ({ name }) => !/^_|^(String|ID|Boolean|Int|Float)$|Connection$|Edge$/.test(name),
    );
    const bare = own.flatMap((type) => [
      ...(type.description ? [] : [type.name]),
      ...('getFields' in type
        ? Object.values(type.getFields())
            .filter((field) => !field.description && !field.name.startsWith('_'))
            .map((field) => `${type.name}.${field.name}`)
        : []),
    ]);
    expect(bare).toEqual([]);
  });
});
