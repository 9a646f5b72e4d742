import { isAscii, isUtf8 } from 'node:buffer';
import type { Directory } from '@tributary/platform/directory';
import { createKeyLookup, indexDirectory } from '@tributary/platform/directory/lookup';
import { CodedError, type DeadLetter, type DirectoryApp, type DirectoryKey, errorBody } from '@tributary/schema';
import type { Intake, PendingLine } from './draft.ts';
import type { Decoded, WireFormat } from './formats/format.ts';
import { formatOf, formatsAt } from './formats/routes.ts';
import { buildClick } from './links.ts';
import { type BodyText, takeIn } from './take-in.ts';

/** A request as any server binding gives it. */
export interface CollectorRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: string;
  readonly authorization: string | undefined;
  /** Any other header, by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly userAgent: string | null;
  /** Decompressed; empty for GET. */
  readonly body: Uint8Array;
  readonly remoteAddress: string | null;
  /** Epoch ms. */
  readonly receivedAt: number;
  readonly requestId: string;
}

export interface CollectorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What to do: store first, then answer. `refused` needs no storing. */
export type CollectorOutcome =
  | { readonly kind: 'refused'; readonly response: CollectorResponse }
  | {
      readonly kind: 'store';
      readonly lines: readonly PendingLine[];
      readonly deadLetters: readonly DeadLetter[];
      readonly response: CollectorResponse;
      /** What is answered when it could not be stored, in the form that the sender reads. */
      readonly unstored: (error: CodedError) => CollectorResponse;
    };

const linkPath = /^\/c\/([A-Za-z0-9_-]{1,64})$/;

/** Whether a body sent to this path is read. */
export function takesBody(path: string): boolean {
  return formatsAt(path) !== undefined;
}

export interface CollectorCore {
  /** From a request to what must be stored and answered. Waits for nothing and stores nothing. */
  handle(request: CollectorRequest): CollectorOutcome;
}

/**
 * The collector without a server: bytes in, canonical lines and verdicts out.
 *
 * @example
 * const core = createCollectorCore({ directory });
 * const outcome = core.handle(request); // { kind: 'store', lines, deadLetters, response }
 */
export function createCollectorCore(deps: { readonly directory: Directory }): CollectorCore {
  const keyOf = createKeyLookup(deps.directory);
  const takeEvents = (request: CollectorRequest, format: WireFormat, body: BodyText): CollectorOutcome => {
    // A key in the headers is checked before the body is looked at.
    const headerKey = (format.keyOf ?? keyInAuthorization)(request);
    const early = headerKey === null ? null : authorize(keyOf(headerKey), deps.directory);
    if (body.byteLength === 0 && request.method === 'POST') throw new CodedError('BODY_EMPTY');
    const decoded = format.decode(body);
    const { key, app } = early ?? authorize(decoded.key === null ? null : keyOf(decoded.key), deps.directory);
    const intake = takeIn(decoded, body, format.decode, {
      key,
      app,
      sourceFormat: format.sourceFormat,
      receivedAt: request.receivedAt,
      remoteAddress: request.remoteAddress,
      userAgent: request.userAgent,
      maxEventBytes: format.maxEventBytes,
    });
    return {
      kind: 'store',
      lines: intake.lines,
      deadLetters: intake.deadLetters,
      response: (format.answer ?? nativeAnswer)(decoded, intake, request),
      unstored: (error) => refusalOf(error, request, format),
    };
  };
  const handle = (request: CollectorRequest): CollectorOutcome => {
    const link = linkPath.exec(request.path);
    if (link) return handleClick(deps.directory, request, link[1]!);
    const formats = formatsAt(request.path);
    if (!formats) throw new CodedError(request.path.startsWith('/c/') ? 'LINK_UNKNOWN' : 'NOT_FOUND');
    const taken = formats.filter(({ methods }) => (methods as readonly string[]).includes(request.method));
    if (taken.length === 0) {
      const allow = [...new Set(formats.flatMap(({ methods }) => methods))].join(', ');
      throw new CodedError('METHOD_NOT_ALLOWED', { details: { allow } });
    }
    let format = taken[taken.length - 1]!;
    try {
      const body = textOf(request);
      format = formatOf(taken, request, body.text);
      return takeEvents(request, format, body);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return { kind: 'refused', response: refusalOf(error, request, format) };
    }
  };
  return {
    handle(request) {
      try {
        return handle(request);
      } catch (error) {
        if (error instanceof CodedError) return { kind: 'refused', response: errorResponse(error, request.requestId) };
        throw error;
      }
    },
  };
}

const jsonHeaders = { 'content-type': 'application/json' } as const;

function refusalOf(error: CodedError, request: CollectorRequest, format: WireFormat): CollectorResponse {
  return format.refuse?.(error, request) ?? errorResponse(error, request.requestId);
}

function nativeAnswer({ single }: Decoded, { lines, eventIds, rejected }: Intake): CollectorResponse {
  const success = single ? `"success":${rejected.length === 0},` : '';
  const body = `{${success}"accepted":${lines.length},"event_ids":${JSON.stringify(eventIds)},"rejected":${JSON.stringify(rejected)}}`;
  return { status: 200, headers: jsonHeaders, body };
}

/** A catalogue error in its HTTP form. */
export function errorResponse(error: CodedError, requestId: string): CollectorResponse {
  const allow = error.details?.['allow'];
  return {
    status: error.http,
    headers: {
      ...jsonHeaders,
      ...(error.retryable ? { 'retry-after': String(error.retryAfterSeconds ?? 1) } : {}),
      ...(error.code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {}),
      ...(typeof allow === 'string' ? { allow } : {}),
    },
    body: JSON.stringify(errorBody(error, requestId)),
  };
}

function handleClick(directory: Directory, request: CollectorRequest, slug: string): CollectorOutcome {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new CodedError('METHOD_NOT_ALLOWED', { details: { allow: 'GET, HEAD' } });
  const index = indexDirectory(directory.current());
  const link = index.linkBySlug.get(slug);
  const app = link && index.appById.get(link.appId);
  if (!link || !app) throw new CodedError('LINK_UNKNOWN');
  if (!app.enabled) throw new CodedError('SOURCE_DISABLED');
  const click = buildClick({ ...request, link, app, query: new URLSearchParams(request.query) });
  return {
    kind: 'store',
    lines: [click.line],
    deadLetters: [],
    unstored: (error) => errorResponse(error, request.requestId),
    response: {
      status: 302,
      headers: {
        location: click.location,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-click-id': click.clickId,
      },
      body: '',
    },
  };
}

/** `Bearer KEY`, or Basic with the key as name (Segment). */
function keyInAuthorization({ authorization }: CollectorRequest): string | null {
  if (authorization === undefined) return null;
  const space = authorization.indexOf(' ');
  const scheme = authorization.slice(0, Math.max(0, space)).toLowerCase();
  const rest = authorization.slice(space + 1).trim();
  if (scheme === 'bearer') return rest;
  if (scheme !== 'basic') return '';
  const pair = Buffer.from(rest, 'base64').toString('utf8');
  return pair.includes(':') ? pair.slice(0, pair.indexOf(':')) : pair;
}

function authorize(key: DirectoryKey | null, directory: Directory): { key: DirectoryKey; app: DirectoryApp } {
  if (key === null || !key.enabled || key.kind === 'api') throw new CodedError('UNAUTHENTICATED');
  if (!key.scopes.includes('ingest:write')) throw new CodedError('FORBIDDEN');
  const appId = key.appIds?.[0];
  const app = appId === undefined ? undefined : indexDirectory(directory.current()).appById.get(appId);
  if (!app) throw new CodedError('UNAUTHENTICATED');
  if (!app.enabled) throw new CodedError('SOURCE_DISABLED');
  return { key, app };
}

function textOf({ body, path, query, header }: CollectorRequest): BodyText {
  const contentType = (header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const unescaped = !buffer.includes(backslash);
  const facts = { path, query, contentType, byteLength: buffer.length, unescaped };
  if (isAscii(buffer)) return { ...facts, text: buffer.toString('latin1'), ascii: unescaped };
  if (!isUtf8(buffer)) throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid UTF-8.' });
  const text = buffer.toString('utf8');
  // A byte order mark is no JSON, but some tools write one.
  return { ...facts, text: text.startsWith('\ufeff') ? text.slice(1) : text, ascii: false };
}

const backslash = 0x5c;
