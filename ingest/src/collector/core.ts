import { isUtf8 } from 'node:buffer';
import type { Directory } from '@tributary/platform/directory';
import { createKeyLookup, indexDirectory } from '@tributary/platform/directory/lookup';
import {
  CodedError,
  type DeadLetter,
  type DirectoryApp,
  type DirectoryKey,
  errorBody,
  limits,
  type SourceFormat,
} from '@tributary/schema';
import type { PendingLine } from './draft.ts';
import { type Decoded, decodeNative } from './formats/native.ts';
import { decodeSegment } from './formats/segment.ts';
import { buildClick } from './links.ts';
import { takeIn } from './take-in.ts';

/** A request as any server binding gives it. */
export interface CollectorRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: string;
  readonly authorization: string | undefined;
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
    };

interface Route {
  readonly format: SourceFormat;
  readonly maxEventBytes: number;
  readonly decode: (text: string, path: string) => Decoded;
}

const native: Route = { format: 'native', maxEventBytes: limits.eventBytes, decode: decodeNative };
const segment: Route = { format: 'segment', maxEventBytes: limits.segmentEventBytes, decode: decodeSegment };

/** Path → wire format; one decoder a file. */
const routes: ReadonlyMap<string, Route> = new Map([
  ['/v1/events', native],
  ...['batch', 'track', 'identify', 'page', 'screen', 'group', 'alias'].map(
    (type) => [`/v1/${type}`, segment] as const,
  ),
]);

const linkPath = /^\/c\/([A-Za-z0-9_-]{1,64})$/;

/** Which requests the core answers; the rest is for others on the port. */
export function isCollectorPath(path: string): boolean {
  return routes.has(path) || path.startsWith('/c/');
}

export interface CollectorCore {
  /** From a request to what must be stored and answered. Waits for nothing and stores nothing. */
  handle(request: CollectorRequest): CollectorOutcome;
}

export function createCollectorCore(deps: { readonly directory: Directory }): CollectorCore {
  const keyOf = createKeyLookup(deps.directory);
  const handle = (request: CollectorRequest): CollectorOutcome => {
    const link = linkPath.exec(request.path);
    if (link) return handleClick(deps.directory, request, link[1]!);
    const route = routes.get(request.path);
    if (!route) throw new CodedError(request.path.startsWith('/c/') ? 'LINK_UNKNOWN' : 'NOT_FOUND');
    if (request.method !== 'POST') throw new CodedError('METHOD_NOT_ALLOWED', { details: { allow: 'POST' } });
    // A key in the headers is checked before the body is looked at.
    const headerKey = keyInHeader(request.authorization);
    const early = headerKey === null ? null : authorize(keyOf(headerKey), deps.directory);
    const decoded = route.decode(textOf(request.body), request.path);
    const { key, app } = early ?? authorize(decoded.key === null ? null : keyOf(decoded.key), deps.directory);
    const intake = takeIn(decoded, {
      key,
      app,
      sourceFormat: route.format,
      receivedAt: request.receivedAt,
      remoteAddress: request.remoteAddress,
      userAgent: request.userAgent,
      maxEventBytes: route.maxEventBytes,
    });
    const success = intake.rejected.length === 0;
    return {
      kind: 'store',
      lines: intake.lines,
      deadLetters: intake.deadLetters,
      response: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: `{${decoded.single ? `"success":${success},` : ''}"accepted":${intake.lines.length},"event_ids":${JSON.stringify(intake.eventIds)},"rejected":${JSON.stringify(intake.rejected)}}`,
      },
    };
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

/** A catalogue error in its HTTP form. */
export function errorResponse(error: CodedError, requestId: string): CollectorResponse {
  const allow = error.details?.['allow'];
  return {
    status: error.http,
    headers: {
      'content-type': 'application/json',
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
function keyInHeader(authorization: string | undefined): string | null {
  if (authorization === undefined) return null;
  const [scheme, rest = ''] = authorization.split(' ', 2);
  if (scheme?.toLowerCase() === 'bearer') return rest;
  if (scheme?.toLowerCase() !== 'basic') return '';
  const pair = Buffer.from(rest, 'base64').toString('utf8');
  return pair.slice(0, pair.includes(':') ? pair.indexOf(':') : pair.length);
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

function textOf(body: Uint8Array): string {
  if (body.length === 0) throw new CodedError('BODY_EMPTY');
  if (!isUtf8(body)) throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid UTF-8.' });
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return buffer.toString('utf8');
}
