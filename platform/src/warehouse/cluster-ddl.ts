import { maskSql, splitStatements, sqlName, sqlString } from './chdb-sql.ts';

export interface ClusterDdlOptions {
  /** Name of the cluster, as in `remote_servers`. */
  readonly cluster: string;
  /** Default `tributary`. */
  readonly database?: string;
}

/** Added to the names of the tables that hold the rows of one shard; the plain names are Distributed tables over them. */
export const localSuffix = '_local';

/**
 * Where the rows of a table go. `events` are spread by the hash by which the log is partitioned, so that a dedupe key is
 * looked up on one shard; what belongs to a device stays together by it; of other tables, an app's rows do, and where there
 * is no app, what has the same first column of the order key.
 */
const shardingKeys: Readonly<Record<string, string>> = {
  events: 'reinterpretAsUInt64(reverse(unhex(toString(dedupe_hash))))',
  install_attributions: 'xxHash64(device_key)',
  journeys: 'xxHash64(device_key)',
  predictions: 'xxHash64(subject_id)',
  dead_letters: 'xxHash64(dead_letter_id)',
  identity_links: 'xxHash64(device_key)',
  worker_positions: 'xxHash64(worker)',
  partition_owners: 'cityHash64(consumer_group, partition)',
};

/**
 * The statements of one DDL file for a cluster, generated from the file itself: ON CLUSTER, Replicated engines on each
 * shard, and a Distributed table under the plain name over them. The inbox and its view are made on every node, which
 * passes the rows on through the Distributed table.
 *
 * Users of a cluster set in their profile: `distributed_foreground_insert = 1` and `insert_quorum = 'auto'` with
 * `select_sequential_consistency = 1` (the consumer asks what it stored, and must see it), and
 * `distributed_product_mode = 'global'` (reports join several tables).
 *
 * Not run on a cluster (there is none here): every statement is parsed by the engine (EXPLAIN AST) in the test. A statement
 * that has no such form throws a RangeError.
 */
export function clusterDdl(sql: string, { cluster, database = 'tributary' }: ClusterDdlOptions): readonly string[] {
  const context: Context = { onCluster: `ON CLUSTER ${sqlString(cluster)}`, cluster, database };
  return splitStatements(sql).flatMap((statement) => clusterStatement(statement, context));
}

interface Context {
  readonly onCluster: string;
  readonly cluster: string;
  readonly database: string;
}

/** Made on every node under their own names: they keep nothing. */
const rowlessTables: ReadonlySet<string> = new Set(['events_inbox']);

const head = {
  table: /^\s*CREATE\s+TABLE\s+IF\s+NOT\s+EXISTS\s+(\w+)/i,
  view: /^\s*CREATE\s+(?:MATERIALIZED\s+)?VIEW\s+IF\s+NOT\s+EXISTS\s+(\w+)(?:\s+TO\s+(\w+))?/i,
  alter: /^\s*ALTER\s+TABLE\s+(\w+)/i,
};

function clusterStatement(statement: string, context: Context): readonly string[] {
  // Comments would hide the head and repeat with each statement made of this one.
  const sql = withoutComments(statement);
  const table = head.table.exec(sql)?.[1];
  if (table) return clusterTable(sql, table, context);
  const view = head.view.exec(sql);
  if (view) return [clusterView(sql, view, context)];
  const altered = head.alter.exec(sql)?.[1];
  if (altered) return clusterAlter(sql, altered, context);
  throw new RangeError(`This statement has no form for a cluster: ${sql.slice(0, 80)}`);
}

/** Columns are those of the Distributed table too; settings, aggregates and the like are of the rows. */
function clusterAlter(sql: string, table: string, { onCluster }: Context): readonly string[] {
  const altering = (name: string) => sql.replace(head.alter, `ALTER TABLE ${name} ${onCluster}`);
  if (rowlessTables.has(table)) return [altering(table)];
  const ofColumns = /^[^(]*\b(?:ADD|MODIFY|DROP)\s+COLUMN\b/i.test(sql);
  return ofColumns ? [altering(localNameOf(table)), altering(table)] : [altering(localNameOf(table))];
}

function clusterTable(sql: string, table: string, context: Context): readonly string[] {
  const { onCluster, cluster, database } = context;
  if (rowlessTables.has(table)) {
    // Columns of the rows behind it.
    return [
      sql
        .replace(head.table, `CREATE TABLE IF NOT EXISTS ${table} ${onCluster}`)
        .replace(/\bAS\s+(\w+)\s+ENGINE/i, (_, source: string) => `AS ${localNameOf(source)} ENGINE`),
    ];
  }
  const key = shardingKeys[table] ?? defaultShardingKey(sql, table);
  const local = localNameOf(table);
  const replicated = sql
    .replace(head.table, `CREATE TABLE IF NOT EXISTS ${local} ${onCluster}`)
    .replace(/\bENGINE\s*=\s*(\w*MergeTree)(?:\s*\(([^()]*)\))?/i, (_, engine: string, args: string | undefined) =>
      replicatedEngine(engine, args, table),
    );
  const target = [cluster, database, local].map(sqlString).join(', ');
  return [
    replicated,
    `CREATE TABLE IF NOT EXISTS ${table} ${onCluster} AS ${local}\nENGINE = Distributed(${target}, ${key})`,
  ];
}

function defaultShardingKey(sql: string, table: string): string {
  if (/^\s*app_id\s/m.test(sql)) return 'cityHash64(app_id)';
  const first = /\bORDER\s+BY\s*\(?\s*(\w+)/i.exec(sql)?.[1];
  if (first === undefined) throw new RangeError(`Nothing says how to spread the table ${table} (cluster-ddl.ts).`);
  return `cityHash64(${first})`;
}

function replicatedEngine(engine: string, args: string | undefined, table: string): string {
  const own = [
    `'/clickhouse/tables/{shard}/{database}/${table}'`,
    `'{replica}'`,
    ...(args?.trim() ? [args.trim()] : []),
  ];
  return `ENGINE = Replicated${engine}(${own.join(', ')})`;
}

function clusterView(sql: string, [whole, view, to]: RegExpExecArray, { onCluster }: Context): string {
  // A materialized view runs where the rows arrive and spreads them by the Distributed table it writes to.
  const kind = /MATERIALIZED/i.test(whole) ? 'MATERIALIZED VIEW' : 'VIEW';
  const target = to ? ` TO ${sqlName(to)}` : '';
  return sql.replace(head.view, `CREATE ${kind} IF NOT EXISTS ${view} ${onCluster}${target}`);
}

/** Of the table that holds the rows of a shard. */
const localNameOf = (table: string): string => `${table}${localSuffix}`;

/** The statement without its comments; strings stay as they are. */
function withoutComments(statement: string): string {
  const masked = maskSql(statement, { keepQuoted: true });
  return masked
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== '')
    .join('\n')
    .trim();
}
