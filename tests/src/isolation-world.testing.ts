import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fraudModel, ltvModel } from '@tributary/models';
import { openDirectoryBlobStore } from '@tributary/platform/blob-store/directory';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { openWarehouseStreams } from '@tributary/platform/warehouse/stream';
import { startTestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { createApiKey, createTenant } from '@tributary/prisma/accounts';
import { createAlertStore } from '@tributary/prisma/alert-store';
import { openRelational, type Relational } from '@tributary/prisma/client';
import { createRelationalDirectory } from '@tributary/prisma/directory';
import { migrateRelational } from '@tributary/prisma/migrate';
import { syncMirrors } from '@tributary/prisma/mirrors';
import { dedupeKeyOf, hash64, hex64, installIdOf, personIdOf, scopes } from '@tributary/schema';
import { post } from './isolation-ask.testing.ts';
import { type IsolationProduct, openIsolationProduct, type Stores } from './isolation-product.testing.ts';

/**
 * Two tenants, `a` and `b`, of two partners each, all with the same names, devices, event ids and idempotency keys. Every text
 * carries its owner's mark: `qxa0` is tenant a's own, `qxa1` and `qxa2` its partners', `qxax` what all of tenant a may see. Every
 * amount of money is a sum of its owner's unit, `100 ** place`, so that two decimal digits of any sum are one owner's alone.
 */
export const shares = ['0', '1', '2'] as const;
export type Share = (typeof shares)[number];
export type TenantName = 'a' | 'b';
export type KeyName = Share | 'analyst' | 'readOnly';

/** What an owner has, by kind: for the operations that ask somebody else's. */
export type Ids = Readonly<Record<string, readonly string[]>>;

export interface TenantWorld {
  readonly name: TenantName;
  readonly tenantId: string;
  readonly appId: string;
  /** Texts of API keys: `0` may all, `1` and `2` are the partners', the others act for members of that role. */
  readonly keys: Readonly<Record<KeyName, string>>;
  readonly partnerIds: Readonly<Record<'1' | '2', string>>;
  /** Of the whole tenant, by whose share it is; `x` = of all of the tenant. */
  readonly ids: Readonly<Record<Share | 'x', Ids>>;
}

export interface IsolationWorld {
  readonly product: IsolationProduct;
  readonly tenants: Readonly<Record<TenantName, TenantWorld>>;
  /** All rows of the relational store that name this tenant, as text. */
  rowsOf(tenantId: string): Promise<string>;
  dispose(): Promise<void>;
}

/** The place of an owner's two digits in a sum of money. */
export const placeOf = (tenant: TenantName, share: Share): number => (tenant === 'a' ? 0 : 3) + Number(share);
const unitOf = (tenant: TenantName, share: Share) => (100n ** BigInt(placeOf(tenant, share))).toString();
/** How often an owner does each thing: sums tell whose they are. */
export const timesOf = (share: Share): number => 2 ** Number(share);
export const eventKindNames = ['click', 'impression', 'install', 'session', 'purchase', 'custom'] as const;

export async function openIsolationWorld(): Promise<IsolationWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'tributary-isolation-'));
  const test = await startTestWarehouse();
  const relational = await openRelational({ dataDir: dir, postgresUrl: null });
  await migrateRelational(relational);
  const directory = await createRelationalDirectory(relational, { pollMs: 3_600_000 });
  const streams = openWarehouseStreams({ url: test.url, database: 'tributary', user: 'default', password: '' });
  const blobs = await openDirectoryBlobStore({ dir: join(dir, 'exports') });
  const liveBus = createMemoryLiveBus();
  const stores: Stores = { warehouse: test.warehouse, relational, directory, streams, blobs, liveBus };
  const product = await openIsolationProduct(stores);
  const a = await makeTenant(stores, product.url, 'a');
  const b = await makeTenant(stores, product.url, 'b');
  await syncMirrors({ relational, warehouse: test.warehouse });
  const made = { a, b };
  await insertRows(stores, a, b);
  await insertRows(stores, b, a);
  const tenants = { a: await withWork(stores, product.url, made.a), b: await withWork(stores, product.url, made.b) };
  return {
    product,
    tenants,
    rowsOf: (tenantId) => rowsOf(relational, tenantId),
    async dispose() {
      await product.dispose();
      await directory.dispose();
      await liveBus.dispose();
      await streams.dispose();
      await blobs.dispose();
      await relational.dispose();
      await test.dispose();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function rowsOf(relational: Relational, tenantId: string): Promise<string> {
  const tables = await relational.client.$queryRaw<{ name: string }[]>`
    SELECT table_name::text AS name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'tenantId' ORDER BY 1`;
  const rows: unknown[] = [];
  for (const { name } of tables) {
    const sql = `SELECT t::text FROM "${name}" AS t WHERE "tenantId" = $1 ORDER BY 1`;
    rows.push([name, await relational.client.$queryRawUnsafe(sql, tenantId)]);
  }
  return JSON.stringify(rows);
}

/** Everything that mutations make, by mutations over the gateway. */
async function makeTenant({ relational, directory }: Stores, url: string, name: TenantName): Promise<TenantWorld> {
  const common = `qx${name}x`;
  const { tenantId } = await createTenant(relational, { name: `Mirror ${common}` });
  const first = await createApiKey(relational, {
    tenantId,
    label: `First qx${name}0`,
    scopes: [...scopes],
    appIds: null,
    ratePlan: 'large',
  });
  await relational.client.apiKey.updateMany({
    where: { id: first.keyId },
    data: { ratePerSecond: 1e6, rateBurst: 1e6 },
  });
  await directory.refresh();
  const ask = (query: string, variables: Record<string, unknown>) => post(url, first.key, { query, variables });
  let serial = 0;
  const make = async (mutation: string, field: string, input: object, more = '') => {
    const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
    const query = `mutation ($input: ${type}!) { it: ${mutation}(input: $input) { ${field} { id } ${more} repeated userErrors { code field message } } }`;
    serial += 1;
    const { data, errors } = await ask(query, { input: { idempotencyKey: `mirror-${serial}`, ...input } });
    const it = (data?.['it'] ?? {}) as Record<string, { id: string }> & { repeated?: boolean; key?: string };
    const id = it[field]?.id;
    // The other tenant's answer to the same idempotency key would be `repeated`.
    if (id === undefined || it.repeated) throw new Error(`${mutation}: ${JSON.stringify({ data, errors })}`);
    return { id, key: it.key ?? '' };
  };
  const appInput = { name: `Game ${common}`, platform: 'ANDROID', currency: 'USD', timezone: 'UTC' };
  const { id: appId } = await make('createApp', 'app', appInput);
  const goal = await make('createGoal', 'goal', { appId, name: `Buy ${common}`, eventKind: 'PURCHASE' });
  const ids: Record<Share | 'x', Record<string, string[]>> = {
    x: { app: [appId], goal: [goal.id], tenant: [tenantId] },
    ...{ '0': {}, '1': {}, '2': {} },
  };
  const keys = { '0': first.key, '1': '', '2': '', analyst: '', readOnly: '' };
  for (const share of shares) {
    const mark = `qx${name}${share}`;
    const own = ids[share];
    const partner =
      share === '0'
        ? null
        : (await make('createPartner', 'partner', { name: `Net ${mark}`, network: `net-${mark}` })).id;
    const campaign = await make('createCampaign', 'campaign', {
      appId,
      name: `Summer ${mark}`,
      ...(partner === null ? { network: `net-${mark}` } : { partnerId: partner }),
    });
    const adGroup = await make('createAdGroup', 'adGroup', { campaignId: campaign.id, name: `Women ${mark}` });
    const creative = await make('createCreative', 'creative', { adGroupId: adGroup.id, name: `Film ${mark}` });
    const link = await make('createTrackingLink', 'trackingLink', {
      ...{ appId, campaignId: campaign.id, slug: `go-${mark}`, targetUrl: `https://example.com/${mark}` },
    });
    const today = new Date().toISOString().slice(0, 10);
    const costs = [{ campaignId: campaign.id, day: today, amount: unitOf(name, share) }];
    const paid = await ask(
      'mutation ($input: RecordCostsInput!) { recordCosts(input: $input) { rows repeated userErrors { message } } }',
      { input: { idempotencyKey: `mirror-costs-${share}`, rows: costs } },
    );
    if (!JSON.stringify(paid.data).includes('"rows":1')) throw new Error(JSON.stringify(paid));
    Object.assign(own, {
      ...own,
      ...(partner === null ? {} : { partner: [partner] }),
      ...{ campaign: [campaign.id], adGroup: [adGroup.id], creative: [creative.id], link: [link.id] },
    });
    if (share !== '0') {
      const input = { label: `Key ${mark}`, scopes: ['READ_REPORTS'], partnerId: partner, ratePlan: 'LARGE' };
      const rate = { perSecond: 1e6, burst: 1e6 };
      keys[share] = (await make('createApiKey', 'apiKey', { ...input, rate }, 'key')).key;
    }
  }
  const mark = `qx${name}0`;
  const own = ids['0'];
  const owner = await make('addMember', 'member', { email: `owner-${mark}@example.com`, role: 'OWNER' });
  const member = await make('addMember', 'member', { email: `reader-${mark}@example.com`, role: 'READ_ONLY' });
  const rate = { perSecond: 1e6, burst: 1e6 };
  for (const [key, role, scopes] of [
    ['analyst', 'ANALYST', ['READ_REPORTS', 'READ_PERSONAL']],
    ['readOnly', 'READ_ONLY', ['READ_REPORTS']],
  ] as const) {
    const { id: memberId } = await make('addMember', 'member', { email: `${role}-${mark}@example.com`, role });
    const input = { label: `${role} ${mark}`, scopes, memberId, ratePlan: 'LARGE', rate };
    keys[key] = (await make('createApiKey', 'apiKey', input, 'key')).key;
  }
  const spare = await make('createApiKey', 'apiKey', { label: `Spare ${mark}`, scopes: ['READ_REPORTS'] });
  const writeKey = await make('createWriteKey', 'writeKey', { appId, kind: 'WRITE', label: `SDK ${mark}` });
  const definition = { metrics: ['INSTALLS'], note: mark };
  const report = await make('createSavedReport', 'savedReport', { appId, name: `Weekly ${mark}`, definition });
  const rule = { kind: 'THRESHOLD', metric: 'INSTALLS', windowMinutes: 60, direction: 'ABOVE', threshold: 1 };
  const alertInput = { appId, name: `Many ${mark}`, rule, emails: [`told-${mark}@example.com`] };
  const alert = await make('createAlert', 'alert', alertInput);
  const source = await make('createCostImport', 'costImport', {
    ...{
      name: `Source ${mark}`,
      url: `https://example.com/${mark}.csv`,
      format: 'CSV',
      mapping: {},
      intervalMinutes: 60,
    },
  });
  const job = await make('runCostImport', 'job', { importId: source.id });
  Object.assign(own, {
    ...{ member: [owner.id, member.id], apiKey: [spare.id], writeKey: [writeKey.id], savedReport: [report.id] },
    ...{ alert: [alert.id], costImport: [source.id], job: [job.id] },
  });
  await directory.refresh();
  const partnerIds = { '1': ids['1']['partner']?.[0] ?? '', '2': ids['2']['partner']?.[0] ?? '' };
  return { name, tenantId, appId, keys, partnerIds, ids };
}

/** Rows of the warehouse, the same for both tenants but for owners' marks and ids; some name the other tenant's campaigns. */
async function insertRows({ warehouse, relational }: Stores, own: TenantWorld, other: TenantWorld): Promise<void> {
  const tables: Record<string, object[]> = {};
  const add = (table: string, row: object) => {
    tables[table] ??= [];
    tables[table].push({ tenant_id: own.tenantId, app_id: own.appId, ...row });
  };
  const now = Date.now();
  for (const share of shares) for (let n = 0; n < timesOf(share); n += 1) addDevice({ own, add, now, share, n });
  // Forged: what the tenant's own apps sent names what is the other's.
  for (const share of shares) {
    const campaign = other.ids[share]['campaign']?.[0] ?? '';
    add(
      'events',
      eventRow(own, { share: '0', event_id: `forged-${share}`, kind: 'click', at: now - 90_000, campaign }),
    );
  }
  for (let n = 0; n < 3; n += 1) {
    add('dead_letters', {
      ...{ dead_letter_id: `dl-${n}`, stage: 'collector', code: 'SCHEMA_VIOLATION', field: 'price' },
      ...{
        message: `wrong qx${own.name}0`,
        source_format: 'native',
        event_id: `dead-${n}`,
        received_at: now - n * 1_000,
      },
      payload: JSON.stringify({ name: `refused qx${own.name}0` }),
    });
  }
  for (const [table, rows] of Object.entries(tables)) await warehouse.insertRows({ name: 'isolation', table, rows });
  const alerts = createAlertStore(relational);
  const due = (await alerts.readDueAlerts(now + 1_000, 100)).find(({ tenantId }) => tenantId === own.tenantId);
  if (!due) throw new Error('the alert is not there to fire');
  const firing = { at: now, windowFrom: now - 3_600_000, windowTo: now, bound: 1, score: null };
  const delivery = {
    channel: 'email',
    target: `told-qx${own.name}0@example.com`,
    status: 'sent',
    attempts: 1,
    error: null,
  };
  await alerts.recordFiring(due, { ...firing, value: 5 }, [delivery as never]);
}

interface EventGiven {
  readonly share: Share;
  readonly event_id: string;
  readonly kind: string;
  readonly at: number;
  readonly campaign: string;
  readonly device?: string;
}

let blockIndex = 0;
function eventRow(own: TenantWorld, { share, event_id, kind, at, campaign, device = 'device-forged' }: EventGiven) {
  const mark = `qx${own.name}${share}`;
  blockIndex += 1;
  const hash = hex64(hash64(dedupeKeyOf(own.appId, 'native', event_id)));
  return {
    ...{ event_id, block_id: '019ab000-0000-7000-8000-000000000000', block_index: blockIndex, dedupe_hash: hash },
    ...{
      payload_hash: hash,
      source_format: 'native',
      event_name: kind === 'custom' ? `act ${mark}` : kind,
      event_kind: kind,
    },
    ...{ device_key: device, occurred_at: at, received_at: at, campaign_id: campaign, network: `net-${mark}` },
    ...{ adgroup_id: own.ids[share]['adGroup']?.[0] ?? '', creative_id: own.ids[share]['creative']?.[0] ?? '' },
    ...{ keyword: mark, site_id: mark, platform: 'android', os_version: mark, app_version: mark, device_model: mark },
    ...{ country: 'DE', city: mark, properties: JSON.stringify({ note: mark }) },
    ...(kind === 'purchase' ? { revenue_amount: unitOf(own.name, share), revenue_currency: 'USD' } : {}),
  };
}

interface DeviceGiven {
  readonly own: TenantWorld;
  readonly add: (table: string, row: object) => void;
  readonly now: number;
  readonly share: Share;
  readonly n: number;
}

function addDevice({ own, add, now, share, n }: DeviceGiven): void {
  const mark = `qx${own.name}${share}`;
  const campaign = own.ids[share]['campaign']?.[0] ?? '';
  const device = `device-${share}-${n}`;
  const at = now - 240_000 + n * 1_000;
  for (const kind of eventKindNames) {
    add('events', eventRow(own, { share, event_id: `${kind}-${share}-${n}`, kind, at, campaign, device }));
  }
  const installId = installIdOf(own.appId, 'native', `install-${share}-${n}`);
  const touch = (of: Share) => ({
    touchpoint: {
      ...{ touchpointId: `touch-qx${own.name}${of}-${n}`, tenantId: own.tenantId, appId: own.appId, kind: 'click' },
      ...{ campaignId: own.ids[of]['campaign']?.[0] ?? '', network: `net-qx${own.name}${of}`, occurredAt: at - 60_000 },
      deviceKey: device,
    },
    ...{ matchKey: 'device_id', eligible: true, reason: of === share ? 'won' : 'older_than_winner' },
    ...{ ctitSeconds: 60, windowHours: 168 },
  });
  const decision = { install_id: installId, device_key: device, installed_at: at, decided_at: at + 500 };
  add('install_attributions', {
    ...{
      ...decision,
      revision: 1,
      verdict: 'install',
      trigger: 'install',
      rule: 'click_device_id',
      campaign_id: campaign,
    },
    ...{
      network: `net-${mark}`,
      touchpoint_id: `touch-${mark}-${n}`,
      ctit_seconds: 60,
      country: 'DE',
      platform: 'android',
    },
    candidates: JSON.stringify(shares.map(touch)),
  });
  add('journeys', {
    ...{ conversion_id: `conversion-${share}-${n}`, revision: 1, goal: own.ids.x['goal']?.[0], device_key: device },
    ...{ install_id: installId, converted_at: at + 800, decided_at: at + 900, value_currency: 'USD' },
    ...{
      value_amount: unitOf(own.name, share),
      touch_campaign_ids: [campaign],
      touch_at: [at],
      touch_kinds: ['click'],
    },
    touch_ids: [`touch-${mark}-${n}`],
  });
  const scored = {
    subject_id: installId,
    subject_at: at,
    scored_at: at + 950,
    features_hash: '0123456789abcdef',
    latency_us: 3,
  };
  add('predictions', {
    ...{ ...scored, model: fraudModel.name, model_version: `1-${mark}`, value: 0.93, currency: '', horizon_days: 0 },
    reasons: ['short_ctit'],
  });
  add('predictions', {
    ...{ ...scored, model: ltvModel.name, model_version: `1-${mark}`, value: Number(unitOf(own.name, share)) },
    ...{ currency: 'USD', horizon_days: 90, reasons: [] },
  });
}

/** What the product makes of the rows, and the ids of rows: exports, and whatever is named by app and event. */
async function withWork({ directory }: Stores, url: string, own: TenantWorld): Promise<TenantWorld> {
  await directory.refresh();
  const ids: Record<Share | 'x', Record<string, readonly string[]>> = { ...own.ids };
  for (const share of shares) {
    const input = {
      ...{ idempotencyKey: 'mirror-export', appIds: [own.appId], metrics: ['EVENTS', 'REVENUE'], format: 'NDJSON' },
      ...{ dimensions: ['CAMPAIGN', 'APP_VERSION'], range: { lastDays: 2 } },
    };
    const query =
      'mutation ($input: ExportReportInput!) { exportReport(input: $input) { job { id } userErrors { message } } }';
    const { data, errors } = await post(url, own.keys[share], { query, variables: { input } });
    const job = (data as { exportReport?: { job?: { id?: string } } } | null)?.exportReport?.job?.id;
    if (job === undefined) throw new Error(`exportReport: ${JSON.stringify({ data, errors })}`);
    ids[share] = {
      ...ids[share],
      exportJob: [job],
      install: [installIdOf(own.appId, 'native', `install-${share}-0`)],
      person: [personIdOf(own.appId, `device-${share}-0`)],
      ...(share === '0' ? { deadLetter: [`${own.appId}:dl-0`, `${own.appId}:dl-1`] } : {}),
    };
  }
  return { ...own, ids };
}
