import { isAscii, isUtf8 } from 'node:buffer';
import type { Directory } from '@tributary/platform/directory';
import { createKeyLookup } from '@tributary/platform/directory/lookup';
import { CodedError, limits } from '@tributary/schema';
import { errorResponse, jsonAnswer, jsonHeaders } from './answers.ts';
import { authorize } from './authorize.ts';
import type { Intake } from './draft.ts';
import { createEnrichment, type Enrichment } from './enrich/enrichment.ts';
import { type Decoded, keyInAuthorization, type WireFormat } from './formats/format.ts';
import { nativeFormat } from './formats/native.ts';
import { formatOf, formatsAt } from './formats/routes.ts';
import { createLinkRoutes } from './link-routes.ts';
import { openapiDocument } from './openapi.ts';
import type { CollectorOutcome } from './outcome.ts';
import { createPassThrough, type PassThrough } from './pass-through/pass-through.ts';
import type { Quotas } from './policy/quotas.ts';
import type { RecentClicks } from './recent-clicks.ts';
import type { CollectorRequest, CollectorResponse } from './request.ts';
import { type BodyText, takeIn } from './take-in.ts';

export { errorResponse } from './answers.ts';
export type { CollectorOutcome } from './outcome.ts';
export type { CollectorRequest, CollectorResponse } from './request.ts';

/** Whether a body sent to this path is read. */
export function takesBody(path: string): boolean {
  return formatsAt(path) !== undefined;
}

export interface CollectorCoreDeps {
  readonly directory: Directory;
  /** Absent = places and platforms are what clients say. */
  readonly enrichment?: Enrichment;
  /** Absent = keys have no limits. */
  readonly quotas?: Quotas;
  /** Absent = deferred deep links are not found. */
  readonly recentClicks?: RecentClicks;
  /** Where links are reached from outside, without a slash at the end; absent = the request's own host. */
  readonly publicUrl?: string | null;
  /** null = every event goes the long way. Default: clean native events are passed through. */
  readonly passThrough?: PassThrough | null;
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
export function createCollectorCore(deps: CollectorCoreDeps): CollectorCore {
  const { directory, quotas } = deps;
  const enrichment = deps.enrichment ?? createEnrichment();
  const passThrough = deps.passThrough === undefined ? createPassThrough() : deps.passThrough;
  const keyOf = createKeyLookup(directory);
  const takeLink = createLinkRoutes({ ...deps, enrichment, keyOf });
  const takeEvents = (request: CollectorRequest, format: WireFormat, body: BodyText): CollectorOutcome => {
    // A key in the headers is checked before the body is looked at.
    const headerKey = (format.keyOf ?? keyInAuthorization)(request);
    const early = headerKey === null ? null : authorize(keyOf(headerKey), directory, request);
    if (early) quotas?.check(early.key);
    if (body.byteLength === 0 && request.method === 'POST') throw new CodedError('BODY_EMPTY');
    const decoded = format.decode(body);
    const { key, app } = early ?? authorize(decoded.key === null ? null : keyOf(decoded.key), directory, request);
    quotas?.take(key, Math.min(decoded.events.length, limits.batchEvents));
    const intake = takeIn(decoded, body, format.decode, {
      key,
      app,
      sourceFormat: format.sourceFormat,
      receivedAt: request.receivedAt,
      remoteAddress: request.remoteAddress,
      userAgent: request.userAgent,
      maxEventBytes: format.maxEventBytes,
      enrichment,
    });
    return {
      kind: 'store',
      lines: intake.lines,
      deadLetters: intake.deadLetters,
      filtered: intake.filtered,
      response: (format.answer ?? nativeAnswer)(decoded, intake, request),
      unstored: (error) => refusalOf(error, request, format),
    };
  };
  /** The short way of clean native events; null where the long one must be taken. */
  const passEvents = (request: CollectorRequest): CollectorOutcome | null => {
    const rawKey = keyInAuthorization(request);
    if (passThrough === null || rawKey === null) return null;
    const { key, app } = authorize(keyOf(rawKey), directory, request);
    quotas?.check(key);
    const passed = passThrough(request.body, {
      key,
      app,
      sourceFormat: nativeFormat.sourceFormat,
      receivedAt: request.receivedAt,
      remoteAddress: request.remoteAddress,
      userAgent: request.userAgent,
      maxEventBytes: nativeFormat.maxEventBytes,
      enrichment,
    });
    if (passed === null) return null;
    quotas?.take(key, passed.lines.length);
    return {
      kind: 'store',
      lines: passed.lines,
      deadLetters: [],
      response: nativeResponse(passed.single ? '"success":true,' : '', passed.lines.length, passed.eventIds, '[]'),
      unstored: (error) => refusalOf(error, request, nativeFormat),
    };
  };
  const handle = (request: CollectorRequest): CollectorOutcome => {
    const formats = formatsAt(request.path);
    if (request.path === openapiPath) return openapiOutcome(request);
    if (!formats) return takeLink(request);
    const taken = takenBy(formats, request.method);
    if (taken.length === 0) {
      const allow = [...new Set(formats.flatMap(({ methods }) => methods))].join(', ');
      throw new CodedError('METHOD_NOT_ALLOWED', { details: { allow } });
    }
    let format = taken[taken.length - 1]!;
    try {
      if (format === nativeFormat && taken.length === 1) {
        const passed = passEvents(request);
        if (passed !== null) return passed;
      }
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

/** Those of a path's formats that take a method. (Of nearly every path that is all of them.) */
function takenBy(formats: readonly WireFormat[], method: string): readonly WireFormat[] {
  const takes = ({ methods }: WireFormat) => (methods as readonly string[]).includes(method);
  return formats.every(takes) ? formats : formats.filter(takes);
}

const openapiPath = '/openapi.json';

function openapiOutcome({ method }: CollectorRequest): CollectorOutcome {
  if (method !== 'GET' && method !== 'HEAD')
    throw new CodedError('METHOD_NOT_ALLOWED', { details: { allow: 'GET, HEAD' } });
  const response = jsonAnswer(200, openapiDocument(), { 'cache-control': 'public, max-age=3600' });
  return { kind: 'answered', response };
}

function refusalOf(error: CodedError, request: CollectorRequest, format: WireFormat): CollectorResponse {
  return format.refuse?.(error, request) ?? errorResponse(error, request.requestId);
}

function nativeAnswer({ single }: Decoded, { accepted, eventIds, rejected }: Intake): CollectorResponse {
  const success = single ? `"success":${rejected.length === 0},` : '';
  return nativeResponse(success, accepted, JSON.stringify(eventIds), JSON.stringify(rejected));
}

function nativeResponse(success: string, accepted: number, eventIds: string, rejected: string): CollectorResponse {
  const body = `{${success}"accepted":${accepted},"event_ids":${eventIds},"rejected":${rejected}}`;
  return { status: 200, headers: jsonHeaders, body };
}

/**
 * A refusal that was found before the core had the request (a body too large or too late, the log down), in the form that
 * the path's SDK reads. `request.body` may be empty.
 */
export function refusalFor(error: CodedError, request: CollectorRequest): CollectorResponse {
  const formats = takenBy(formatsAt(request.path) ?? [], request.method);
  if (formats.length === 0) return errorResponse(error, request.requestId);
  return refusalOf(error, request, formatOf(formats, request, ''));
}

function textOf(request: CollectorRequest): BodyText {
  const { body, path, query } = request;
  const contentType = (request.header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const unescaped = !buffer.includes(backslash);
  const facts = { path, query, contentType, sender: request, byteLength: buffer.length, unescaped };
  if (isAscii(buffer)) return { ...facts, text: buffer.toString('latin1'), ascii: unescaped };
  if (!isUtf8(buffer)) throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid UTF-8.' });
  const text = buffer.toString('utf8');
  // A byte order mark is no JSON, but some tools write one.
  return { ...facts, text: text.startsWith('\ufeff') ? text.slice(1) : text, ascii: false };
}

const backslash = 0x5c;
