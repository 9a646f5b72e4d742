// Over 400 lines: opening a store costs seconds, so keys, partners, costs and streams share one.
import { createAlertStore } from '@tributary/prisma/alert-store';
import { createJob, reportJob } from '@tributary/prisma/jobs';
import { expireKeys } from '@tributary/prisma/key-expiry';
import { describeEachStore, type TestStore } from '@tributary/prisma/relational.testing';
import { sha256Hex } from '@tributary/schema';
import { until } from '../src/kit.testing.ts';
import { allScopes, type CampaignsWorld, openCampaignsWorld } from './world.testing.ts';

const hourMs = 3_600_000;

describeEachStore('operations of the campaigns subgraph', (openStore) => {
  let store: TestStore;
  let world: CampaignsWorld;
  let appId: string;

  const made = async (name: string, input: Record<string, unknown>, field: string): Promise<string> => {
    const { data, errors } = await world.mutate(name, input, `${field} { id }`);
    expect([name, errors, data?.it.userErrors]).toEqual([name, [], []]);
    return data.it[field].id;
  };
  const keyInDirectory = async (keyId: string) => {
    await world.directory.refresh();
    return world.directory.current().keys.find((key) => key.keyId === keyId);
  };
  const spendOf = async (campaignId: string) => {
    const { data } = await world.ask(
      'query ($id: ID!) { campaign(id: $id) { spend(range: { lastDays: 60 }) { amount currency } } }',
      { id: campaignId },
    );
    return data.campaign.spend.amount;
  };

  beforeAll(async () => {
    store = await openStore();
    world = await openCampaignsWorld(store);
    const app = { name: 'Game', platform: 'IOS', currency: 'USD', timezone: 'UTC' };
    appId = await made('createApp', app, 'app');
  });

  afterAll(async () => {
    await world.dispose();
    await store.dispose();
  });

  describe('keys', () => {
    it('show their text once, and are listed without it or its hash', async () => {
      const input = { idempotencyKey: 'once', label: 'Once', scopes: ['READ_REPORTS'] };
      const first = await world.mutate('createApiKey', input, 'key apiKey { id prefix }');
      expect(first.data.it.key).toMatch(/^trk_live_/);
      const again = await world.mutate('createApiKey', input, 'key apiKey { id }');
      expect(again.data.it).toMatchObject({ key: null, repeated: true, apiKey: { id: first.data.it.apiKey.id } });
      const list = await world.ask('{ apiKeys { id label prefix scopes apps { id } ratePlan } writeKeys { id } }');
      expect(list.data.apiKeys).toContainEqual(expect.objectContaining({ id: first.data.it.apiKey.id, apps: null }));
      for (const hidden of [first.data.it.key, sha256Hex(first.data.it.key)]) {
        expect(JSON.stringify(list)).not.toContain(hidden);
        expect(JSON.stringify(await world.relational.client.idempotencyRecord.findMany())).not.toContain(hidden);
      }
    });

    it('that are rotated work beside their successor until the grace period ends', async () => {
      const old = await made('createWriteKey', { appId, kind: 'WRITE', label: 'Old', dailyQuota: 5 }, 'writeKey');
      const { data } = await world.mutate(
        'rotateWriteKey',
        { keyId: old, graceHours: 2 },
        'key writeKey { id rotatedFromId dailyQuota }',
      );
      const next = data.it.writeKey;
      expect(next).toMatchObject({ rotatedFromId: old, dailyQuota: 5 });
      expect(await keyInDirectory(old)).toBeDefined();
      expect(await keyInDirectory(next.id)).toMatchObject({ hash: sha256Hex(data.it.key), dailyQuota: 5 });
      const again = await world.mutate('rotateWriteKey', { keyId: old, graceHours: 2 }, '__typename');
      expect(again.data.it.userErrors).toMatchObject([{ code: 'CONFLICT' }]);
      expect(await expireKeys(world.relational, world.clock.now() + 2 * hourMs - 1)).toBe(0);
      expect(await expireKeys(world.relational, world.clock.now() + 2 * hourMs)).toBe(1);
      expect(await keyInDirectory(old)).toBeUndefined();
      expect(await keyInDirectory(next.id)).toBeDefined();
    });

    it('leave the directory when they expire', async () => {
      const expiresAt = new Date(world.clock.now() + hourMs).toISOString();
      const key = await made('createApiKey', { label: 'Short', scopes: ['READ_REPORTS'], expiresAt }, 'apiKey');
      expect(await keyInDirectory(key)).toBeDefined();
      await expireKeys(world.relational, world.clock.now() + hourMs);
      expect(await keyInDirectory(key)).toBeUndefined();
      const past = await world.mutate(
        'createApiKey',
        { label: 'Past', scopes: ['READ_REPORTS'], expiresAt: '2020-01-01T00:00:00Z' },
        '__typename',
      );
      expect(past.data.it.userErrors).toMatchObject([{ field: ['input', 'expiresAt'] }]);
    });

    it('give nobody more than the maker has', async () => {
      const caller = { scopes: ['admin' as const] };
      const { errors } = await world.mutate(
        'createApiKey',
        { label: 'More', scopes: ['READ_PERSONAL'] },
        '__typename',
        caller,
      );
      expect(errors).toMatchObject([{ code: 'FORBIDDEN' }]);
    });

    it.each([
      ['OWNER', [...allScopes]],
      ['ANALYST', ['read:reports', 'read:personal']],
      ['READ_ONLY', ['read:reports']],
    ])('of a member with the role %s do no more than the role, at once', async (role, allowed) => {
      const member = await made('addMember', { email: `${role.toLowerCase()}@example.com`, role: 'OWNER' }, 'member');
      const scopes = ['READ_REPORTS', 'READ_PERSONAL', 'ADMIN', 'INGEST_WRITE', 'INGEST_BACKFILL'];
      const key = await made('createApiKey', { label: role, scopes, memberId: member }, 'apiKey');
      await made('addMember', { email: `other-${role.toLowerCase()}@example.com`, role: 'OWNER' }, 'member');
      await made('setMemberRole', { memberId: member, role }, 'member');
      expect([...((await keyInDirectory(key))?.scopes ?? [])].sort()).toEqual([...allowed].sort());
      await made('removeMember', { memberId: member }, 'member');
      expect(await keyInDirectory(key)).toBeUndefined();
      await made('restoreMember', { memberId: member }, 'member');
      expect(await keyInDirectory(key)).toBeDefined();
    });

    it('carry rates, plan and trust into the directory', async () => {
      const input = {
        label: 'Full',
        scopes: ['READ_REPORTS'],
        ratePlan: 'LARGE',
        trustedOnly: true,
        rate: { perSecond: 5, burst: 50 },
      };
      const key = await made('createApiKey', input, 'apiKey');
      expect(await keyInDirectory(key)).toMatchObject({
        ratePlan: 'large',
        trustedOnly: true,
        rate: { perSecond: 5, burst: 50 },
      });
      const { data } = await world.ask(
        '{ settings { ratePlan rangeDays } rateLimit { maximumAvailable currentlyAvailable restoreRate } }',
        {},
        { keyId: key, scopes: [] },
      );
      expect(data).toEqual({
        settings: { ratePlan: 'large', rangeDays: 800 },
        rateLimit: { maximumAvailable: 50, currentlyAvailable: 50, restoreRate: 5 },
      });
    });
  });

  describe('partners', () => {
    it('of one organisation see their own campaigns, links, costs and nothing of each other', async () => {
      const one = await furnish('alpha');
      const two = await furnish('beta');
      const everything = /* GraphQL */ `query ($appId: ID!) {
        apps { id trackingLinks { slug } }
        partners { id name }
        campaigns(appId: $appId, first: 100) { edges { node { id name spend(range: { lastDays: 30 }) { amount } adGroups { id creatives { id } } trackingLinks { slug } } } }
      }`;
      for (const [mine, other] of [
        [one, two],
        [two, one],
      ] as const) {
        const caller = { partnerId: mine.partner, scopes: ['read:reports' as const] };
        const { data, errors } = await world.ask(everything, { appId }, caller);
        expect(errors).toEqual([]);
        const seen = JSON.stringify(data);
        for (const id of Object.values(mine).filter((value) => value !== mine.cost)) expect(seen).toContain(id);
        for (const id of Object.values(other)) expect(seen).not.toContain(id);
        expect(data.campaigns.edges[0].node.spend.amount).toBe(mine.cost);
        const asked = await world.ask(
          'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Campaign { id spend(range: { lastDays: 30 }) { amount } } ... on Partner { id } } }',
          {
            r: [
              { __typename: 'Campaign', id: other.campaign },
              { __typename: 'Partner', id: other.partner },
            ],
          },
          caller,
        );
        expect(asked.data._entities).toEqual([null, null]);
        for (const query of [
          '{ jobs(first: 1) { edges { cursor } } }',
          '{ savedReports { id } }',
          '{ alerts { id } }',
          '{ members { id } }',
        ]) {
          expect((await world.ask(query, {}, caller)).errors).toMatchObject([{ code: 'FORBIDDEN' }]);
        }
      }
      const empty = await made('createPartner', { name: 'Gamma', network: 'gamma' }, 'partner');
      expect((await world.ask('{ apps { id } }', {}, { partnerId: empty })).data.apps).toEqual([]);
    });

    it('have keys that never read more than reports', async () => {
      const partner = await made('createPartner', { name: 'Delta', network: 'delta' }, 'partner');
      const input = { label: 'P', scopes: ['READ_REPORTS', 'READ_PERSONAL'], partnerId: partner };
      const refused = await world.mutate('createApiKey', input, '__typename');
      expect(refused.data.it.userErrors).toMatchObject([{ code: 'BAD_USER_INPUT', field: ['input', 'scopes'] }]);
      const member = await made('addMember', { email: 'p@example.com', role: 'PARTNER', partnerId: partner }, 'member');
      const key = await made('createApiKey', { label: 'M', scopes: ['READ_REPORTS'], memberId: member }, 'apiKey');
      expect(await keyInDirectory(key)).toMatchObject({ partnerId: partner, scopes: ['read:reports'] });
    });

    async function furnish(mark: string) {
      const partner = await made('createPartner', { name: `Partner ${mark}`, network: mark }, 'partner');
      const campaign = await made(
        'createCampaign',
        { appId, name: `Campaign ${mark}`, partnerId: partner },
        'campaign',
      );
      const adGroup = await made('createAdGroup', { campaignId: campaign, name: `Group ${mark}` }, 'adGroup');
      const creative = await made('createCreative', { adGroupId: adGroup, name: mark }, 'creative');
      const slug = `link-${mark}`;
      await made(
        'createTrackingLink',
        { appId, campaignId: campaign, slug, targetUrl: 'https://example.com' },
        'trackingLink',
      );
      const cost = mark === 'alpha' ? '123.456' : '654.321';
      const rows = [{ campaignId: campaign, day: '2026-11-20', amount: cost }];
      expect((await world.mutate('recordCosts', { rows }, 'rows')).data.it.rows).toBe(1);
      return { partner, campaign, adGroup, creative, slug, cost };
    }
  });

  describe('costs', () => {
    const campaignNamed = (name: string) => made('createCampaign', { appId, name }, 'campaign');

    it('come as CSV by id or name, all rows or none, each fault with its line', async () => {
      const id = await campaignNamed('Csv one');
      const csv = 'Campaign;Date;Micros\r\n"Csv one";20261110;1500000\r\n"Csv one";20261111;250000\r\n';
      const mapping = {
        campaign: 'campaign',
        campaignBy: 'NAME',
        day: 'date',
        amount: 'micros',
        separator: ';',
        divideBy: 1_000_000,
      };
      expect((await world.mutate('importCosts', { csv, mapping }, 'rows')).data.it).toMatchObject({
        rows: 2,
        userErrors: [],
      });
      expect(await spendOf(id)).toBe('1.75');
      const faulty = `campaign_id,day,amount\n${id},2026-11-12,5\n${id},2026-13-01,5\n${id},2026-11-13,many`;
      const { data } = await world.mutate('importCosts', { csv: faulty }, 'rows');
      expect(data.it.userErrors.map(({ field }: { field: string[] }) => field)).toEqual([
        ['input', 'csv', 'line 3'],
        ['input', 'csv', 'line 4'],
      ]);
      const foreign = await world.mutate(
        'importCosts',
        { csv: `campaign_id,day,amount\n${id},2026-11-12,5\ncmp_none,2026-11-12,5` },
        'rows',
      );
      expect(foreign.data.it.userErrors).toMatchObject([{ code: 'NOT_FOUND' }]);
      expect(await spendOf(id)).toBe('1.75');
    });

    it('in another currency are converted by the day’s rate, and anew when it changes', async () => {
      const id = await campaignNamed('Foreign');
      const rows = [{ campaignId: id, day: '2026-11-10', amount: '100', currency: 'CHF' }];
      const without = await world.mutate('recordCosts', { rows }, 'rows');
      expect(without.data.it.userErrors).toMatchObject([
        { code: 'BAD_USER_INPUT', field: ['input', 'rows', '0', 'currency'] },
      ]);
      const setRate = (day: string, from: string, to: string, rate: string) =>
        world.mutate('setFxRates', { rates: [{ day, from, to, rate }] }, 'rates costsConverted');
      await setRate('2026-11-08', 'CHF', 'USD', '1.25');
      await world.mutate('recordCosts', { rows }, 'rows');
      expect(await spendOf(id)).toBe('125');
      expect((await setRate('2026-11-11', 'CHF', 'USD', '9')).data.it.costsConverted).toBe(0);
      expect((await setRate('2026-11-10', 'CHF', 'USD', '1.5')).data.it.costsConverted).toBe(1);
      expect(await spendOf(id)).toBe('150');
      // The other way round serves too.
      await setRate('2026-11-10', 'USD', 'JPY', '160');
      await world.mutate(
        'recordCosts',
        { rows: [{ campaignId: id, day: '2026-11-12', amount: '320', currency: 'JPY' }] },
        'rows',
      );
      expect(await spendOf(id)).toBe('152');
      const rates = await world.ask(
        '{ fxRates(firstDay: "2026-11-01", lastDay: "2026-11-30", from: "CHF") { day from to rate } }',
      );
      expect(rates.data.fxRates).toContainEqual({ day: '2026-11-10', from: 'CHF', to: 'USD', rate: '1.5' });
    });

    it('as a lump sum are spread over days whose parts add up to it, beside or in place of what is there', async () => {
      const id = await campaignNamed('Lump');
      await world.mutate('recordCosts', { rows: [{ campaignId: id, day: '2026-11-01', amount: '1' }] }, 'rows');
      const sum = { campaignId: id, amount: '100', firstDay: '2026-11-01', lastDay: '2026-11-07' };
      expect((await world.mutate('allocateCost', sum, 'days')).data.it.days).toBe(7);
      expect(await spendOf(id)).toBe('101');
      await world.mutate('allocateCost', { ...sum, mode: 'SET' }, 'days');
      expect(await spendOf(id)).toBe('100');
      const rows = await world.relational.client.costRow.findMany({
        where: { campaignId: id },
        orderBy: { day: 'asc' },
      });
      expect(rows.map(({ amount }) => amount.toFixed(6)).slice(0, 2)).toEqual(['14.285715', '14.285715']);
    });
  });

  describe('subscriptions', () => {
    const firings =
      'subscription ($appId: ID!, $after: String) { alertFired(appId: $appId, after: $after) { cursor app { id } firing { value alert { name } } } }';
    const rule = { kind: 'THRESHOLD', metric: 'EVENTS', windowMinutes: 60, direction: 'ABOVE', threshold: 1 };

    async function fire(alertId: string, value: number) {
      const alerts = createAlertStore(world.relational);
      const alert = (await alerts.readDueAlerts(Number.MAX_SAFE_INTEGER / 2, 100)).find(
        (one) => one.alertId === alertId,
      );
      if (!alert) throw new Error('the alert is not due');
      const at = world.clock.now();
      const firingId = await alerts.recordFiring(
        alert,
        { at, windowFrom: at, windowTo: at, value, bound: 1, score: null },
        [],
      );
      if (firingId === null) throw new Error('it fires already');
      await alerts.recordEvaluation({ ...alert, firing: true }, { at, firing: false });
      const { tenantId } = world;
      return { tenantId, appId, alertId, firingId, at };
    }

    it('of alerts hold each firing once, from a cursor on, also those that the bus said nothing of', async () => {
      const alertId = await made('createAlert', { appId, name: 'Many', rule, emails: ['x@example.com'] }, 'alert');
      const stream = await world.follow(firings, { appId });
      const pending = stream.next();
      world.liveBus.publish('alert.fired', await fire(alertId, 1));
      const { value: first } = await pending;
      expect(first.data.alertFired).toMatchObject({
        app: { id: appId },
        firing: { value: 1, alert: { name: 'Many' } },
      });
      await stream.return?.();
      for (const value of [2, 3]) await fire(alertId, value);
      const resumed = await world.follow(firings, { appId, after: first.data.alertFired.cursor });
      const values = [await resumed.next(), await resumed.next()].map(
        ({ value }) => value.data.alertFired.firing.value,
      );
      expect(values).toEqual([2, 3]);
      const blocked = resumed.next();
      await resumed.return?.();
      expect((await blocked).done).toBe(true);
      const page = await world.ask(
        'query ($appId: ID!) { alertFirings(appId: $appId, first: 2) { edges { node { value } } pageInfo { hasNextPage } } }',
        { appId },
      );
      expect(page.data.alertFirings).toEqual({
        edges: [{ node: { value: 3 } }, { node: { value: 2 } }],
        pageInfo: { hasNextPage: true },
      });
    });

    it('leave the bus when they end', async () => {
      let opened = 0;
      let closed = 0;
      const { subscribe } = world.liveBus;
      world.liveBus.subscribe = (async (topic: never, listener: never) => {
        const leave = await subscribe.call(world.liveBus, topic, listener);
        opened += 1;
        return () => {
          closed += 1;
          leave();
        };
      }) as typeof subscribe;
      try {
        for (let round = 0; round < 50; round += 1) {
          const stream = await world.follow(firings, { appId });
          const waiting = stream.next();
          await until(() => opened === round + 1);
          await stream.return?.();
          await waiting;
        }
        expect([opened, closed]).toEqual([50, 50]);
      } finally {
        world.liveBus.subscribe = subscribe;
      }
    });

    it('answer a cursor of another store with CURSOR_EXPIRED, and one of another list as a bad input', async () => {
      const beyond = Buffer.from('["99999999999999999"]').toString('base64url');
      await expect(world.follow(firings, { appId, after: beyond })).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
      await expect(world.follow(firings, { appId, after: 'nonsense' })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      });
    });

    it('of another tenant, app or partner are refused', async () => {
      for (const caller of [{ tenantId: 'ten_other' }, { appIds: ['app_other'] }]) {
        await expect(world.follow(firings, { appId }, caller)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      await expect(world.follow(firings, { appId }, { partnerId: 'par_x' })).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
    });

    it('of a job hold every state, and end with it', async () => {
      const { relational, tenantId } = world;
      const nowMs = world.clock.now();
      const jobId = await relational.transact((tx) =>
        createJob(tx, { tenantId, appId, kind: 'TEST', input: {}, createdBy: 'key_admin', nowMs }),
      );
      const source =
        'subscription ($jobId: ID!) { jobProgress(jobId: $jobId) { status progress message job { status } } }';
      const stream = await world.follow(source, { jobId });
      expect((await stream.next()).value.data.jobProgress).toMatchObject({ status: 'QUEUED', progress: 0 });
      const next = stream.next();
      await reportJob(relational, { tenantId, jobId, nowMs, progress: 0.5, message: 'half' });
      world.liveBus.publish('job.progress', { tenantId, jobId, at: nowMs });
      expect((await next).value.data.jobProgress).toMatchObject({ status: 'RUNNING', progress: 0.5, message: 'half' });
      await reportJob(relational, { tenantId, jobId, nowMs, status: 'SUCCEEDED', result: { rows: 3 } });
      world.liveBus.publish('job.progress', { tenantId, jobId, at: nowMs });
      expect((await stream.next()).value.data.jobProgress).toMatchObject({ progress: 1, job: { status: 'SUCCEEDED' } });
      expect((await stream.next()).done).toBe(true);
      await expect(reportJob(relational, { tenantId, jobId, nowMs, progress: 0.1 })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
      const { data } = await world.ask(
        'query ($id: ID!) { job(id: $id) { status result error { code } } jobs(first: 5) { edges { node { id } } } }',
        { id: jobId },
      );
      expect(data.job).toEqual({ status: 'SUCCEEDED', result: { rows: 3 }, error: null });
      expect(data.jobs.edges).toContainEqual({ node: { id: jobId } });
    });
  });

  it('keeps personal fields and internals out of what a contract without their tags holds', () => {
    const { sdl } = world.subgraph;
    expect(sdl).toMatch(/email: String! @tag\(name: "personal"\)/);
    for (const type of ['Member', 'ApiKey', 'WriteKey', 'AuditEntry', 'CostImport', 'Alert', 'SavedReport']) {
      expect(sdl).toMatch(new RegExp(`type ${type}\\b[^{]*@tag\\(name: "internal"\\)`));
    }
  });
});
