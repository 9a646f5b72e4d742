import { createServer } from 'node:net';
import { openRelational, type Relational } from './client.ts';
import { describeEachStore, type TestStore } from './relational.testing.ts';

describeEachStore('the relational store', (openStore) => {
  let store: TestStore;
  let relational: Relational;

  beforeAll(async () => {
    store = await openStore();
    relational = await store.openMigrated();
  });

  afterAll(() => store.dispose());

  const aTenant = (id: string) => ({ id, slug: id, name: id });

  it('answers a ping', async () => {
    await expect(relational.ping()).resolves.toBeUndefined();
  });

  it('keeps times in UTC whatever zone the server has', async () => {
    const at = new Date('2026-07-01T12:00:00.123Z');
    await relational.client.tenant.create({ data: { ...aTenant('ten_time'), createdAt: at } });
    const [raw] = await relational.client.$queryRaw<{ text: string; near: boolean }[]>`
      SELECT "createdAt"::text AS text, abs(extract(epoch FROM (now()::timestamp - (now() AT TIME ZONE 'UTC')))) < 1 AS near
      FROM "Tenant" WHERE id = 'ten_time'`;
    expect(raw).toEqual({ text: '2026-07-01 12:00:00.123', near: true });
    const read = await relational.client.tenant.findUniqueOrThrow({ where: { id: 'ten_time' } });
    expect(read.createdAt).toEqual(at);
  });

  it('undoes a transaction that throws, and passes coded errors as they are', async () => {
    const failure = relational.transact(async (tx) => {
      await tx.tenant.create({ data: aTenant('ten_undone') });
      throw new Error('no');
    });
    await expect(failure).rejects.toMatchObject({
      code: 'INTERNAL',
      cause: expect.objectContaining({ message: 'no' }),
    });
    expect(await relational.client.tenant.findUnique({ where: { id: 'ten_undone' } })).toBeNull();
  });

  it('shows one state to all reads of a snapshot transaction', async () => {
    const first = await relational.client.tenant.count();
    const seen = await relational.transact(
      async (tx) => {
        const before = await tx.tenant.count();
        // Another session on a server; PGlite runs it after the transaction, which is the same promise.
        const beside = relational.client.tenant.create({ data: aTenant('ten_beside') });
        if (store.config.postgresUrl) await beside;
        const after = await tx.tenant.count();
        void beside.catch(() => undefined);
        return [before, after];
      },
      { snapshot: true },
    );
    expect(seen).toEqual([first, first]);
  });

  it('calls a wrong statement INTERNAL, not unavailable', async () => {
    await expect(relational.client.$queryRaw`SELECT 1 FROM nowhere`).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('is RELATIONAL_UNAVAILABLE after disposal, which is idempotent', async () => {
    const second = store.config.postgresUrl ? await openRelational(store.config) : relational;
    await second.dispose();
    await second.dispose();
    await expect(second.ping()).rejects.toMatchObject({ code: 'RELATIONAL_UNAVAILABLE' });
    await expect(second.transact((tx) => tx.tenant.count())).rejects.toMatchObject({ code: 'RELATIONAL_UNAVAILABLE' });
  });
});

describe('a Postgres server that is away', () => {
  it('is RELATIONAL_UNAVAILABLE for queries, transactions and sessions', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const away = await openRelational({ dataDir: '', postgresUrl: `postgres://nobody@127.0.0.1:${port}/none` });
    const unavailable = { code: 'RELATIONAL_UNAVAILABLE', retryable: true };
    try {
      await expect(away.ping()).rejects.toMatchObject(unavailable);
      await expect(away.transact((tx) => tx.tenant.count())).rejects.toMatchObject(unavailable);
      await expect(away.session((session) => session.exec('SELECT 1'))).rejects.toMatchObject(unavailable);
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await expect(away.ping()).rejects.toMatchObject(unavailable);
    } finally {
      await away.dispose();
      server.close();
    }
  });
});
