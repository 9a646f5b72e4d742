import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client';
import { CodedError, type Config } from '@tributary/schema';
import { toRelationalFault } from './faults.ts';
import { PrismaClient } from './generated/client.ts';

/** The raw session that migrations need: one connection, several statements at once. */
export interface SqlSession {
  /** Runs a script of statements as one round trip and, unless it says BEGIN itself, as one transaction. */
  exec(script: string): Promise<void>;
  query<Row>(sql: string, params?: readonly unknown[]): Promise<readonly Row[]>;
}

interface Driver {
  readonly adapter: SqlDriverAdapterFactory;
  session<T>(work: (session: SqlSession) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * The relational store.
 *
 * - Faults: RELATIONAL_UNAVAILABLE when the store is away, INTERNAL (with the cause) for what is ours; the client's too.
 * - Embedded (PGlite) it belongs to one process, statements run one after another, and a transaction holds it: inside
 *   `transact`, ask the given transaction only, or the two wait for each other until the time limit.
 * - Disposal: idempotent.
 */
export interface Relational {
  readonly client: RelationalClient;
  /** Runs `work` in a transaction: all of it or nothing. 30 s at most. */
  transact<T>(work: (transaction: RelationalReader) => Promise<T>, options?: TransactOptions): Promise<T>;
  session<T>(work: (session: SqlSession) => Promise<T>): Promise<T>;
  /** Called when this process committed a change (changes.ts); others' changes are found by polling. */
  onCommitted(listener: () => void): () => void;
  announceCommit(): void;
  ping(): Promise<void>;
  dispose(): Promise<void>;
}

export interface TransactOptions {
  /** All reads see the state at the first one. */
  readonly snapshot?: boolean;
}

const statementTimeoutMs = 15_000;
const transactionTimeoutMs = 30_000;

/** Prisma with every failure turned into the catalogue's. */
function createClient(adapter: SqlDriverAdapterFactory) {
  const bare = new PrismaClient({
    adapter,
    // A transaction that Prisma gave up waiting for could still start later in PGlite and hold it for good: wait long.
    transactionOptions: { timeout: transactionTimeoutMs, maxWait: 60_000 },
    errorFormat: 'minimal',
  });
  return bare.$extends({
    query: {
      async $allOperations({ args, query }) {
        try {
          return await query(args);
        } catch (error) {
          throw toRelationalFault(error);
        }
      },
    },
  });
}

export type RelationalClient = ReturnType<typeof createClient>;
/** The client, or a transaction of it. */
export type RelationalReader = Omit<
  RelationalClient,
  '$transaction' | '$extends' | '$connect' | '$disconnect' | '$on' | '$use'
>;

async function openEmbedded(dataDir: string): Promise<Driver> {
  const [{ PGlite }, { PrismaPGlite }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('pglite-prisma-adapter'),
  ]);
  const path = join(dataDir, 'relational');
  await mkdir(path, { recursive: true, mode: 0o700 });
  const engine = await PGlite.create({ dataDir: path });
  const session: SqlSession = {
    exec: async (script) => void (await engine.exec(script)),
    query: async <Row>(sql: string, params: readonly unknown[] = []) =>
      (await engine.query<Row>(sql, [...params])).rows,
  };
  // There is one connection, so its locks hold nobody off: sessions take turns instead.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    adapter: new PrismaPGlite(engine),
    session(work) {
      const mine = turn.then(() => work(session));
      turn = mine.catch(() => undefined);
      return mine;
    },
    close: () => engine.close(),
  };
}

async function openServer(url: string): Promise<Driver> {
  const [{ default: pg }, { PrismaPg }] = await Promise.all([import('pg'), import('@prisma/adapter-pg')]);
  const pool = new pg.Pool({
    // TLS is the URL's matter: sslmode, sslrootcert, sslcert and sslkey.
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeoutMs,
    // The server's own limit comes first; this one is for a server that is gone without a word.
    query_timeout: statementTimeoutMs + 5_000,
    idle_in_transaction_session_timeout: transactionTimeoutMs,
    keepAlive: true,
    application_name: 'tributary',
    // Columns are without zone and mean UTC, so the session must too.
    options: '-c TimeZone=UTC',
  });
  // An idle connection that the server ends would otherwise end this process; the next statement says so by itself.
  pool.on('error', () => undefined);
  return {
    adapter: new PrismaPg(pool),
    async session(work) {
      const connection = await pool.connect();
      let failed = true;
      try {
        const result = await work({
          exec: async (script) => void (await connection.query(script)),
          query: async <Row>(sql: string, params: readonly unknown[] = []) =>
            (await connection.query(sql, [...params])).rows as Row[],
        });
        failed = false;
        return result;
      } finally {
        // After a failure the session may hold a lock or an open transaction: end it with its connection.
        connection.release(failed);
      }
    },
    close: () => pool.end(),
  };
}

/**
 * Opens the relational store: PGlite in `<dataDir>/relational`, or a Postgres server when `postgresUrl` is set. This is
 * the only place of that switch. Migrations are not applied (migrate.ts). Throws RELATIONAL_UNAVAILABLE; a server that
 * is away is noticed at the first statement, not here.
 *
 * @example
 * const relational = await openRelational({ dataDir: '.data', postgresUrl: null });
 * await migrateRelational(relational);
 */
export async function openRelational(config: Pick<Config, 'dataDir' | 'postgresUrl'>): Promise<Relational> {
  let driver: Driver;
  try {
    driver = await (config.postgresUrl === null ? openEmbedded(config.dataDir) : openServer(config.postgresUrl));
  } catch (error) {
    throw new CodedError('RELATIONAL_UNAVAILABLE', { cause: error });
  }
  return wire(driver);
}

async function coded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toRelationalFault(error);
  }
}

function wire(driver: Driver): Relational {
  const client = createClient(driver.adapter);
  const listeners = new Set<() => void>();
  let disposed: Promise<void> | null = null;
  return {
    client,
    transact: (work, options = {}) =>
      coded(() =>
        client.$transaction((transaction) => work(transaction as RelationalReader), {
          ...(options.snapshot ? { isolationLevel: 'RepeatableRead' as const } : {}),
        }),
      ),
    session: (work) => coded(() => driver.session(work)),
    onCommitted(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    announceCommit() {
      for (const listener of listeners) listener();
    },
    async ping() {
      await client.$queryRaw`SELECT 1`;
    },
    dispose() {
      disposed ??= (async () => {
        listeners.clear();
        await client.$disconnect();
        await driver.close();
      })();
      return disposed;
    },
  };
}
