import { createHmac } from 'node:crypto';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { createMemoryLiveBus } from '@tributary/platform/live-bus/memory';
import { createLogger } from '@tributary/platform/logger';
import { startTestWarehouse, type TestWarehouse } from '@tributary/platform/warehouse/test-warehouse.testing';
import { createApp, createTenant } from '@tributary/prisma/accounts';
import { createAlertStore } from '@tributary/prisma/alert-store';
import { createCampaign } from '@tributary/prisma/campaigns';
import type { Relational } from '@tributary/prisma/client';
import { createAlert, createCostImport, runCommand, runCostImport } from '@tributary/prisma/commands';
import { createCostImportStore } from '@tributary/prisma/cost-import-store';
import { describeEachStore, type TestStore } from '@tributary/prisma/relational.testing';
import { scopes, sealText, webhookSecretOf } from '@tributary/schema';
import { type AlertWorker, createAlertWorker } from '@tributary/workers/alerts';

const signingSecret = 'a secret of the tests, of more than 32 characters';
const hourMs = 3_600_000;
const weekMs = 7 * 24 * hourMs;
const start = Date.parse('2026-11-24T12:00:00Z');

/** Takes mail as SMTP has it, and keeps the letters. */
async function startMailServer(): Promise<{ port: number; letters: string[]; close(): Promise<void> }> {
  const letters: string[] = [];
  const server: TcpServer = createTcpServer((socket) => {
    let letter: string[] | null = null;
    let rest = '';
    socket.write('220 test\r\n');
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (letter) {
          if (line === '.') {
            letters.push(letter.join('\n'));
            letter = null;
            socket.write('250 taken\r\n');
          } else letter.push(line);
        } else if (/^DATA/i.test(line)) {
          letter = [];
          socket.write('354 go on\r\n');
        } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else socket.write(/^EHLO/i.test(line) ? '250 test\r\n' : '250 ok\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    letters,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describeEachStore('alerts and cost pulls', (openStore) => {
  let store: TestStore;
  let relational: Relational;
  let warehouse: TestWarehouse;
  let mail: Awaited<ReturnType<typeof startMailServer>>;
  let web: Server;
  let webUrl: string;
  let worker: AlertWorker;
  let now = start;
  let status = 200;
  let table = '';
  const posted: { body: string; signature: string }[] = [];
  const asked: (string | undefined)[] = [];
  const published: string[] = [];
  const liveBus = createMemoryLiveBus();
  let ids: { tenantId: string; appId: string; campaignId: string };
  let serial = 0;

  const command = async <R>(which: Parameters<typeof runCommand<R>>[1], input: unknown) => {
    serial += 1;
    const request = {
      tenantId: ids.tenantId,
      actor: 'key_test',
      appIds: null,
      scopes: [...scopes],
      idempotencyKey: `k${serial}`,
      nowMs: now,
      input,
    };
    return (await runCommand(relational, which, request)).result;
  };
  const insertEvents = async (count: number, occurredAt: number, kind = 'install') => {
    const rows = Array.from({ length: count }, () => {
      serial += 1;
      const hash = serial.toString(16).padStart(16, '0');
      return {
        tenant_id: ids.tenantId,
        app_id: ids.appId,
        event_id: `e${serial}`,
        block_id: '019ab000-0000-7000-8000-000000000000',
        block_index: serial,
        dedupe_hash: hash,
        payload_hash: hash,
        source_format: 'native',
        event_name: kind,
        event_kind: kind,
        device_key: `d${serial}`,
        occurred_at: occurredAt,
        received_at: occurredAt,
        properties: '{}',
        country: 'DE',
        campaign_id: ids.campaignId,
        ...(kind === 'purchase' ? { revenue_amount: '9.5', revenue_currency: 'USD' } : {}),
      };
    });
    await warehouse.warehouse.insertRows({ name: 'test_rows', table: 'events', rows });
  };
  const firingsOf = (alertId: string) =>
    relational.client.alertFiring.findMany({ where: { alertId }, orderBy: { sequence: 'asc' } });

  beforeAll(async () => {
    store = await openStore();
    [relational, warehouse, mail] = await Promise.all([store.openMigrated(), startTestWarehouse(), startMailServer()]);
    web = createHttpServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.method === 'GET') {
          asked.push(request.headers.authorization);
          return response.writeHead(status).end(table);
        }
        posted.push({
          body: Buffer.concat(chunks).toString('utf8'),
          signature: String(request.headers['tributary-signature']),
        });
        return response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    webUrl = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    const { tenantId } = await createTenant(relational, { name: 'Ours' });
    const { appId } = await createApp(relational, {
      tenantId,
      name: 'Game',
      platform: 'ios',
      currency: 'USD',
      timezone: 'UTC',
    });
    const { campaignId } = await createCampaign(relational, { tenantId, appId, name: 'One' });
    ids = { tenantId, appId, campaignId };
    await liveBus.subscribe('alert.fired', ({ firingId }) => published.push(firingId));
    worker = createAlertWorker({
      warehouse: warehouse.warehouse,
      alerts: createAlertStore(relational),
      costImports: createCostImportStore(relational),
      liveBus,
      clock: { now: () => now },
      logger: createLogger('test', 'silent'),
      config: { mail: { smtpUrl: `smtp://127.0.0.1:${mail.port}`, from: 'alerts@example.com' }, outboundPrivate: true },
      signingSecret,
    });
  });

  afterAll(async () => {
    await worker.dispose();
    await liveBus.dispose();
    await Promise.all([warehouse.dispose(), mail.close(), new Promise((resolve) => web.close(resolve))]);
    await store.dispose();
  });

  it('fire once when a bound is crossed, are told by signed webhook and mail, and again only after coming right', async () => {
    const rule = {
      kind: 'THRESHOLD',
      metric: 'INSTALLS',
      windowMinutes: 60,
      direction: 'ABOVE',
      threshold: 3,
      campaignId: ids.campaignId,
      country: 'DE',
    };
    const input = {
      appId: ids.appId,
      name: 'Many installs',
      rule,
      webhookUrl: `${webUrl}/hook`,
      emails: ['ana@example.com'],
    };
    const { id } = await command(createAlert, input);
    await insertEvents(3, now - 10 * 60_000);
    expect(await worker.runOnce()).toMatchObject({ evaluated: 1, fired: 0, sent: 0 });
    await insertEvents(1, now - 9 * 60_000);
    now += 61_000;
    expect(await worker.runOnce()).toMatchObject({ evaluated: 1, fired: 1, sent: 2 });
    const [firing] = await firingsOf(id);
    expect(firing).toMatchObject({ value: 4, bound: 3, score: null, nextAttemptAt: null });
    expect(published).toEqual([firing?.id]);
    const { body = '', signature = '' } = posted.at(-1) ?? {};
    expect(JSON.parse(body)).toMatchObject({
      type: 'alert.fired',
      id: firing?.id,
      value: 4,
      alert: { id, name: 'Many installs' },
    });
    const [t, v1] = signature.split(',').map((part) => part.split('=')[1]);
    const secret = webhookSecretOf({ tenantId: ids.tenantId, alertId: id, version: 1 }, signingSecret);
    expect(v1).toBe(createHmac('sha256', secret).update(`${t}.${body}`).digest('hex'));
    expect(mail.letters.at(-1)).toMatch(/Subject: Many installs: Game/);
    expect(mail.letters.at(-1)).toMatch(/To: ana@example\.com/);

    now += 61_000;
    expect(await worker.runOnce()).toMatchObject({ fired: 0 });
    now += 2 * hourMs;
    expect(await worker.runOnce()).toMatchObject({ fired: 0 });
    expect(await relational.client.alert.findUnique({ where: { id } })).toMatchObject({ state: 'OK' });
    await insertEvents(5, now - 5 * 60_000);
    now += 61_000;
    expect(await worker.runOnce()).toMatchObject({ fired: 1 });
    expect(await firingsOf(id)).toHaveLength(2);
    await relational.client.alert.updateMany({ where: { id }, data: { enabled: false } });
  });

  it('of anomalies fire for what is unlike the same hour of the weeks before', async () => {
    for (let week = 1; week <= 5; week += 1)
      await insertEvents(20 + week, now - week * weekMs - 30 * 60_000, 'purchase');
    await insertEvents(22, now - 30 * 60_000, 'purchase');
    const rule = { kind: 'ANOMALY', metric: 'PURCHASES', windowMinutes: 60 };
    const { id } = await command(createAlert, { appId: ids.appId, name: 'Odd', rule, emails: ['ana@example.com'] });
    expect(await worker.runOnce()).toMatchObject({ evaluated: 1, fired: 0 });
    await insertEvents(60, now - 20 * 60_000, 'purchase');
    now += 61_000;
    expect(await worker.runOnce()).toMatchObject({ fired: 1 });
    const [firing] = await firingsOf(id);
    expect(firing?.value).toBe(82);
    expect(firing?.score).toBeGreaterThan(4);
    await relational.client.alert.updateMany({ where: { id }, data: { enabled: false } });
  });

  it('try a webhook again that failed, and give up after six attempts', async () => {
    const rule = { kind: 'THRESHOLD', metric: 'REVENUE', windowMinutes: 60, direction: 'ABOVE', threshold: 1 };
    const { id } = await command(createAlert, { appId: ids.appId, name: 'Rich', rule, webhookUrl: `${webUrl}/hook` });
    await insertEvents(1, now - 10 * 60_000, 'purchase');
    status = 500;
    const before = posted.length;
    await worker.runOnce();
    await relational.client.alert.updateMany({ where: { id }, data: { enabled: false } });
    expect((await firingsOf(id))[0]?.deliveries).toMatchObject([
      { status: 'PENDING', attempts: 1, error: 'it answered 500' },
    ]);
    await worker.runOnce();
    expect(posted.length - before).toBe(1);
    for (let attempt = 2; attempt <= 6; attempt += 1) {
      now += hourMs;
      await worker.runOnce();
    }
    now += hourMs;
    status = 200;
    await worker.runOnce();
    expect(posted.length - before).toBe(6);
    expect(new Set(posted.slice(before).map(({ body }) => JSON.parse(body).id)).size).toBe(1);
    expect((await firingsOf(id))[0]).toMatchObject({
      deliveries: [{ status: 'FAILED', attempts: 6 }],
      nextAttemptAt: null,
    });
  });

  it('that two evaluators look at tell nobody twice', async () => {
    const rule = { kind: 'THRESHOLD', metric: 'EVENTS', windowMinutes: 60, direction: 'BELOW', threshold: 1_000_000 };
    const { id } = await command(createAlert, { appId: ids.appId, name: 'Twice', rule, emails: ['ana@example.com'] });
    const alerts = createAlertStore(relational);
    const [alert] = (await alerts.readDueAlerts(now, 100)).filter(({ alertId }) => alertId === id);
    if (!alert) throw new Error('it is due');
    const firing = { at: now, windowFrom: now, windowTo: now, value: 1, bound: 2, score: null };
    const fired = await Promise.all([alerts.recordFiring(alert, firing, []), alerts.recordFiring(alert, firing, [])]);
    expect(fired.filter((one) => one !== null)).toHaveLength(1);
    expect(await firingsOf(id)).toHaveLength(1);
    await relational.client.alert.updateMany({ where: { id }, data: { enabled: false } });
  });

  it('pull costs on schedule with a sealed header, all rows or none, and by a job', async () => {
    const source = {
      name: 'Network',
      url: `${webUrl}/costs`,
      format: 'JSON',
      mapping: { rows: 'data', campaign: 'name', campaignBy: 'NAME', currency: null },
      intervalMinutes: 60,
      headerName: 'Authorization',
      headerSealed: sealText('Bearer of-net', signingSecret),
    };
    const { id } = await command(createCostImport, source);
    table = JSON.stringify({
      data: [
        { name: 'One', day: '2026-11-20', amount: '5' },
        { name: 'One', day: '2026-11-21', amount: 7.25 },
      ],
    });
    expect(await worker.runOnce()).toMatchObject({ pulled: 1 });
    expect(asked.at(-1)).toBe('Bearer of-net');
    const costs = async () =>
      (
        await relational.client.costRow.findMany({ where: { campaignId: ids.campaignId }, orderBy: { day: 'asc' } })
      ).map(({ amount }) => String(amount));
    expect(await costs()).toEqual(['5', '7.25']);
    expect(await worker.runOnce()).toMatchObject({ pulled: 0 });

    now += hourMs;
    table = JSON.stringify({
      data: [
        { name: 'One', day: '2026-11-20', amount: '50' },
        { name: 'Nobody', day: '2026-11-20', amount: '1' },
      ],
    });
    expect(await worker.runOnce()).toMatchObject({ pulled: 1 });
    expect(await costs()).toEqual(['5', '7.25']);
    const failed = await relational.client.costImport.findUniqueOrThrow({ where: { id } });
    expect(failed.lastResult).toMatchObject({ ok: false, message: expect.stringContaining('Nobody') });
    expect(failed.nextRunAt.getTime()).toBe(now + hourMs);

    table = JSON.stringify({ data: [{ name: 'One', day: '2026-11-20', amount: '6' }] });
    const { jobId } = await command(runCostImport, { importId: id });
    expect(await worker.runOnce()).toMatchObject({ pulled: 1 });
    expect(await relational.client.job.findUniqueOrThrow({ where: { id: jobId } })).toMatchObject({
      status: 'SUCCEEDED',
      result: { rows: 1 },
    });
    expect(await costs()).toEqual(['6', '7.25']);
    const actions = await relational.client.auditEntry.findMany({
      where: { subjectId: id, action: 'cost_import.pulled' },
    });
    expect(actions).toHaveLength(2);
  });

  it('pull nothing from a private address unless the installation allows it', async () => {
    const strict = createAlertWorker({
      warehouse: warehouse.warehouse,
      alerts: createAlertStore(relational),
      costImports: createCostImportStore(relational),
      liveBus,
      clock: { now: () => now },
      logger: createLogger('test', 'silent'),
      config: { mail: { smtpUrl: null, from: 'x@example.com' }, outboundPrivate: false },
      signingSecret,
    });
    const before = asked.length;
    now += hourMs;
    expect(await strict.runOnce()).toMatchObject({ pulled: 1 });
    expect(asked.length).toBe(before);
    const [row] = await relational.client.costImport.findMany();
    expect(row?.lastResult).toMatchObject({ ok: false, message: 'the address is private' });
    await strict.dispose();
  });

  it('runs as a loop that ends when disposed', async () => {
    await worker.start();
    await worker.ready();
    await worker.dispose();
    await expect(worker.ready()).rejects.toMatchObject({ code: 'NOT_READY' });
  });
});
