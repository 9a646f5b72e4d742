import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { engineErrors } from './chdb-errors.ts';

/** What a request to ClickHouse's HTTP interface says. */
export interface ChdbRequest {
  /** Of the URL; statement text in the body follows it. */
  readonly urlQuery: string;
  readonly body: Uint8Array;
  readonly queryId: string | undefined;
  readonly database: string;
  readonly format: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  /** GET: may only read, as in ClickHouse. */
  readonly readonly: boolean;
  readonly acceptGzip: boolean;
}

const maxBodyBytes = 268_435_456;

/** Parameters of the URL, and settings of the HTTP layer itself, that the engine doesn't know or must not get. */
const notSettings = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'user',
  'password',
  'quota_key',
  'role',
  'session_id',
  'session_timeout',
  'session_check',
  'close_session',
  'compress',
  'decompress',
  'buffer_size',
  'stacktrace',
  'log_comment',
  'wait_end_of_query',
  'enable_http_compression',
  'http_zlib_compression_level',
  'http_response_buffer_size',
  'http_headers_progress_interval_ms',
  'send_progress_in_http_headers',
  'add_http_cors_header',
  'cancel_http_readonly_queries_on_client_close',
]);

/** Reads and parses a request. Rejects with an EngineError, and when the caller leaves before the body has ended. */
export async function readRequest(request: IncomingMessage): Promise<ChdbRequest> {
  if (request.method !== 'GET' && request.method !== 'POST') {
    throw engineErrors.unsupportedMethod(`Method ${request.method} is not known here.`);
  }
  const url = new URL(request.url ?? '/', 'http://warehouse');
  const raw = await readBody(request);
  const { fields, body } = await parseMultipart(request, raw);
  const entries = [...url.searchParams, ...fields];
  const value = (name: string) => entries.findLast(([key]) => key === name)?.[1];
  const params: Record<string, string> = {};
  const settings: Record<string, string> = {};
  for (const [name, text] of entries) {
    if (name.startsWith('param_')) params[checkName(name.slice(6))] = text;
    else if (!notSettings.has(name)) settings[checkName(name)] = text;
  }
  return {
    urlQuery: value('query') ?? '',
    body,
    queryId: value('query_id') || undefined,
    database: value('database') || header(request, 'x-clickhouse-database') || 'default',
    format: value('default_format') || header(request, 'x-clickhouse-format') || 'TabSeparated',
    settings,
    params,
    readonly: request.method === 'GET',
    acceptGzip: value('enable_http_compression') === '1' && /\bgzip\b/.test(header(request, 'accept-encoding') ?? ''),
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of decoded(request)) {
    size += (chunk as Buffer).length;
    if (size > maxBodyBytes) throw engineErrors.badArguments(`The body is over ${maxBodyBytes} bytes.`);
    chunks.push(chunk as Buffer);
  }
  if (!request.complete) throw engineErrors.cancelled();
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
}

function decoded(request: IncomingMessage): Readable {
  const encoding = header(request, 'content-encoding')?.toLowerCase() ?? 'identity';
  const decoders: Record<string, () => NodeJS.ReadWriteStream> = {
    gzip: createGunzip,
    deflate: createInflate,
    br: createBrotliDecompress,
    zstd: createZstdDecompress,
  };
  if (encoding === 'identity' || encoding === '') return request;
  const create = decoders[encoding];
  if (!create) throw engineErrors.badArguments(`Unknown Content-Encoding ${encoding}.`);
  // Errors surface where the decoded stream is read.
  return pipeline(request, create(), () => undefined) as unknown as Readable;
}

/** Long parameters travel as form fields. */
async function parseMultipart(
  request: IncomingMessage,
  body: Buffer,
): Promise<{ fields: readonly (readonly [string, string])[]; body: Uint8Array }> {
  const type = header(request, 'content-type') ?? '';
  if (!type.startsWith('multipart/form-data')) return { fields: [], body };
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
  const fields = [...form].map(([name, value]) => [name, String(value)] as const);
  return { fields, body: new Uint8Array() };
}

function checkName(name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw engineErrors.badArguments(`'${name}' is no name of a setting or parameter.`);
  return name;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
