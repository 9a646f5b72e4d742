import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from '../logger.ts';
import { engineErrors, httpStatusOf, toEngineError } from './chdb-errors.ts';
import type { Lane, LaneResult, LaneStatement } from './chdb-lane.ts';
import type { LanePool } from './chdb-pool.ts';
import { type ChdbRequest, readRequest } from './chdb-request.ts';
import { parameterNames, parseInsertHead, statementKind } from './chdb-sql.ts';

export interface ChdbHandlerOptions {
  readonly pool: LanePool;
  readonly control: Lane;
  readonly logger: Logger;
  /** Whether other hosts may call it by whatever name. */
  readonly allowRemote: boolean;
  readonly opsHandler?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Front extends ChdbHandlerOptions {
  readonly version: string;
  readonly knownSettings: ReadonlySet<string>;
}

/** The HTTP side of the chDB server: reads a request, runs it on the pool, answers as ClickHouse does. */
export function createChdbHandler(options: ChdbHandlerOptions): Handler {
  const { version } = JSON.parse(options.control.runNow('SELECT version() AS version')) as { version: string };
  const front: Front = { ...options, version, knownSettings: readSettingNames(options.control) };
  return (request, response) => {
    handle(front, request, response).catch((error) => {
      options.logger.error({ err: error }, 'a warehouse request could not be answered');
      response.destroy();
    });
  };
}

async function handle(front: Front, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (await front.opsHandler?.(request, response)) return;
  if (fromBrowser(request) || !(front.allowRemote || namesLoopback(request))) {
    return sendText(response, 403, 'Requests from web pages are refused here.\n');
  }
  const [path = '', search] = (request.url ?? '/').split('?', 2);
  if (path === '/ping' || (path === '/' && request.method === 'GET' && search === undefined)) {
    return sendText(response, 200, 'Ok.\n');
  }
  if (path !== '/') return sendText(response, 404, 'There is no such path here.\n');
  let queryId: string = randomUUID();
  try {
    const read = await readRequest(request);
    queryId = read.queryId ?? queryId;
    await answer(front, response, read, statementOf(read, queryId));
  } catch (error) {
    sendFault(response, error, queryId, front.version);
  }
}

async function answer(
  { pool, knownSettings }: Front,
  response: ServerResponse,
  read: ChdbRequest,
  statement: LaneStatement,
): Promise<void> {
  const unknown = Object.keys(read.settings).find((name) => !knownSettings.has(name));
  if (unknown) throw engineErrors.unknownSetting(unknown);
  const kind = statementKind(statement.sql);
  if (kind === 'session') throw engineErrors.unsupportedMethod('SET and USE have no effect over HTTP.');
  if (read.readonly && kind !== 'read') throw engineErrors.readonly('GET may only read. Use POST.');
  for (const name of parameterNames(statement.sql)) {
    if (!(name in statement.params)) throw engineErrors.unknownParameter(name);
  }
  if (kind === 'kill') {
    // Answered when all that fits has ended, whether SYNC was asked for or not.
    await pool.kill(killTarget(statement));
    return sendText(response, 200, '');
  }
  // The caller who leaves takes the statement along: nobody would read its rows.
  response.on('close', () => {
    if (!response.writableFinished) void pool.kill((id) => id === statement.queryId);
  });
  if (response.destroyed) return;
  const startedAt = performance.now();
  const result = await pool.run(kind, statement);
  await sendResult(response, read, result, statement, performance.now() - startedAt);
}

/**
 * `KILL QUERY WHERE query_id = x`, `… WHERE startsWith(query_id, x)` and that with `AND match(query_id, y)`; x and y a
 * parameter or a literal. Ids are those given with the requests; the engine knows its statements by others, hence no
 * other form can work.
 */
function killTarget({ sql, params }: LaneStatement): (queryId: string) => boolean {
  const match = killPattern.exec(sql);
  if (!match) {
    throw engineErrors.badArguments(
      'KILL QUERY is known as WHERE query_id = …, or startsWith(query_id, …) [AND match(query_id, …)].',
    );
  }
  const textOf = (name: string | undefined, literal: string | undefined): string => {
    const value = name === undefined ? literal : params[name];
    if (value === undefined) throw engineErrors.unknownParameter(name ?? '');
    return value;
  };
  const [, prefix, name, literal, and, matchName, matchLiteral] = match;
  const value = textOf(name, literal);
  if (!prefix) return (id) => id === value;
  if (!and) return (id) => id.startsWith(value);
  const matching = new RegExp(textOf(matchName, matchLiteral));
  return (id) => id.startsWith(value) && matching.test(id);
}

const killValue = String.raw`(?:\{(\w+)\s*:\s*String\}|'([^'\\]*)')`;
const killPattern = new RegExp(
  String.raw`^\s*KILL\s+QUERY\s+WHERE\s+(?:query_id\s*=\s*|(startsWith)\s*\(\s*query_id\s*,\s*)${killValue}\s*\)?\s*` +
    String.raw`(?:(AND)\s+match\s*\(\s*query_id\s*,\s*${killValue}\s*\)\s*)?(?:SYNC|ASYNC)?\s*(?:FORMAT\s+\w+)?\s*$`,
  'i',
);

function statementOf(read: ChdbRequest, queryId: string): LaneStatement {
  const head = parseInsertHead(read.urlQuery);
  const { database, format, settings, params } = read;
  const common = { queryId, database, format, settings, params };
  if (head) return { ...common, sql: read.urlQuery, insert: { head, body: read.body } };
  const text = Buffer.from(read.body.buffer, read.body.byteOffset, read.body.byteLength).toString('utf8');
  const sql = read.urlQuery && text ? `${read.urlQuery}\n${text}` : read.urlQuery || text;
  if (sql.trim() === '') throw engineErrors.badArguments('Empty query.');
  return { ...common, sql };
}

const gzipped = promisify(gzip);

async function sendResult(
  response: ServerResponse,
  read: ChdbRequest,
  result: LaneResult,
  statement: LaneStatement,
  elapsedMs: number,
): Promise<void> {
  const compressed = read.acceptGzip && result.bytes.length > 0;
  const bytes = compressed ? await gzipped(result.bytes) : result.bytes;
  const summary = {
    read_rows: String(result.readRows),
    read_bytes: String(result.readBytes),
    written_rows: String(result.writtenRows),
    written_bytes: String(result.writtenBytes),
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: String(result.bytes.length),
    elapsed_ns: String(Math.round(elapsedMs * 1e6)),
  };
  if (response.destroyed) return;
  response.writeHead(200, {
    'content-type': contentTypeOf(statement),
    'content-length': bytes.length,
    ...(compressed ? { 'content-encoding': 'gzip' } : {}),
    'x-clickhouse-query-id': statement.queryId,
    'x-clickhouse-timezone': 'UTC',
    'x-clickhouse-summary': JSON.stringify(summary),
  });
  response.end(bytes);
}

function contentTypeOf({ sql, format }: LaneStatement): string {
  const named = /\bFORMAT\s+(\w+)\s*;?\s*$/i.exec(sql.slice(-200))?.[1] ?? format;
  if (named.startsWith('JSON')) return 'application/json; charset=UTF-8';
  return named.startsWith('CSV') ? 'text/csv; charset=UTF-8' : 'text/tab-separated-values; charset=UTF-8';
}

function sendFault(response: ServerResponse, thrown: unknown, queryId: string, version: string): void {
  const error = toEngineError(thrown);
  sendText(response, httpStatusOf(error.engineCode), `${error.message} (version ${version})\n`, {
    'x-clickhouse-exception-code': String(error.engineCode),
    'x-clickhouse-query-id': queryId,
  });
}

function sendText(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=UTF-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** A page in a browser on this machine can send requests to loopback too; nothing that is meant to come here does so. */
const fromBrowser = ({ headers }: IncomingMessage): boolean =>
  headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;

/** A foreign name in Host is a page whose name was pointed at this machine. */
const namesLoopback = ({ headers }: IncomingMessage): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(headers.host ?? '');

/** Read once: a SET with an unknown name would fail, and so would every later attempt to set it back. */
function readSettingNames(control: Lane): ReadonlySet<string> {
  const lines = control.runNow('SELECT name FROM system.settings').trim().split('\n');
  return new Set(lines.map((line) => (JSON.parse(line) as { name: string }).name));
}
