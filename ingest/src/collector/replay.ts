import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import { indexDirectory } from '@tributary/platform/directory/lookup';
import type { EventLog } from '@tributary/platform/event-log';
import {
  CodedError,
  type DirectoryApp,
  type DirectoryKey,
  limits,
  type SourceFormat,
  sourceFormats,
} from '@tributary/schema';
import { createBlockWriter } from './block-writer.ts';
import type { Intake } from './draft.ts';
import { createEnrichment, type Enrichment } from './enrich/enrichment.ts';
import { asObject, type Decode, type Decoded } from './formats/format.ts';
import { formatOf, formatsAt } from './formats/routes.ts';
import type { CollectorRequest } from './request.ts';
import { type BodyText, takeIn } from './take-in.ts';

export interface ReplayedEvent {
  readonly tenantId: string;
  readonly appId: string;
  /** Of the dead letter: the wire format in which the event came. */
  readonly sourceFormat: string;
  /** The event as it came, or the canonical line where the warehouse refused it; mended or not. */
  readonly payload: string;
  /** Its id where the payload has none, so that a replay that is repeated stores it once. */
  readonly fallbackEventId: string;
}

/** Whether it was stored before is found out behind the log, so a repeat is accepted here and dropped there. */
export interface ReplayVerdict {
  readonly status: 'accepted' | 'duplicate' | 'rejected';
  /** Of the catalogue; set when it was rejected. */
  readonly code: string | null;
}

export interface Replayer {
  /** Resolves once the event is durably in the log, or refused. Rejects with LOG_UNAVAILABLE. */
  replay(event: ReplayedEvent): Promise<ReplayVerdict>;
  dispose(): Promise<void>;
}

export interface ReplayerDeps {
  readonly eventLog: Pick<EventLog, 'append' | 'partitionCount'>;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly idSecret?: string;
}

/**
 * Gives refused events to the collector's decoders again, with the rights of a secret key of their app: they may be old. One that
 * is refused again makes no second dead letter; the first one stays.
 */
export function createReplayer(deps: ReplayerDeps): Replayer {
  const writer = createBlockWriter({ eventLog: deps.eventLog, clock: deps.clock });
  const enrichment = createEnrichment({ idSecret: deps.idSecret });
  const store = ({ lines }: Intake) =>
    new Promise<void>((resolve, reject) => writer.append(lines, [], (fault) => (fault ? reject(fault) : resolve())));
  return {
    async replay(event) {
      const app = indexDirectory(deps.directory.current()).appById.get(event.appId);
      if (!app || app.tenantId !== event.tenantId) return rejected('UNKNOWN_APP');
      let intake: Intake;
      try {
        intake = takeAgain(event, app, enrichment, deps.clock.now());
      } catch (error) {
        if (error instanceof CodedError) return rejected(error.code);
        throw error;
      }
      const [refusal] = intake.rejected;
      if (refusal) return rejected(refusal.code);
      await store(intake);
      return { status: 'accepted', code: null };
    },
    dispose: () => writer.dispose(),
  };
}

const rejected = (code: string): ReplayVerdict => ({ status: 'rejected', code });

function takeAgain(event: ReplayedEvent, app: DirectoryApp, enrichment: Enrichment, now: number): Intake {
  const canonical = canonicalLine(event.payload);
  const sourceFormat = sourceFormats.find((name) => name === event.sourceFormat);
  if (sourceFormat === undefined) throw new CodedError('NOT_FOUND', { message: 'That wire format is unknown here.' });
  const request = requestOf(canonical ? 'native' : sourceFormat, canonical ?? event.payload, now);
  const body = bodyOf(request);
  const format = formatOf(formatsAt(request.path)!, request, body.text);
  const decode: Decode = (input, parse) => withFallbackId(format.decode(input, parse), event.fallbackEventId);
  // The ids of a line that was hashed are hashes; hashed again they would match nothing.
  const isHashed = canonical !== null && /"ids_hashed"/.test(event.payload);
  return takeIn(decode(body), body, decode, {
    key: ownersKey(app),
    app,
    sourceFormat,
    receivedAt: now,
    remoteAddress: null,
    userAgent: null,
    maxEventBytes: limits.eventBytes,
    enrichment: isHashed ? { ...enrichment, hashDeviceId: (_appId, id) => id } : enrichment,
  });
}

/** What was stored as a canonical line is read as a native event: its properties are a text there and an object here. */
function canonicalLine(payload: string): string | null {
  try {
    const line = asObject(JSON.parse(payload));
    if (line === null || typeof line['dedupe_hash'] !== 'string' || typeof line['block_id'] !== 'string') return null;
    const { properties, ...rest } = line;
    return JSON.stringify({ ...rest, properties: JSON.parse(typeof properties === 'string' ? properties : '{}') });
  } catch {
    return null;
  }
}

function withFallbackId(decoded: Decoded, fallbackEventId: string): Decoded {
  return {
    ...decoded,
    toDraft: (element) => {
      const draft = decoded.toDraft(element);
      if (draft === null || (draft['event_id'] !== undefined && draft['event_id'] !== null)) return draft;
      return { ...draft, event_id: fallbackEventId };
    },
  };
}

/** How one event alone is sent in each format. What only a header or the path said is gone. */
const alone: Readonly<Record<Exclude<SourceFormat, 'link'>, (event: string) => readonly [path: string, body: string]>> =
  {
    native: (event) => ['/v1/events', event],
    segment: (event) => ['/v1/batch', `{"batch":[${event}]}`],
    rudderstack: (event) => ['/beacon/v1/batch', `{"batch":[${event}]}`],
    posthog: (event) => ['/batch/', `{"batch":[${event}]}`],
    amplitude: (event) => ['/2/httpapi', `{"events":[${event}]}`],
    mixpanel: (event) => [
      /"\$(set|unset|add|append|union|remove|delete)/.test(event) ? '/engage' : '/import',
      `[${event}]`,
    ],
    snowplow: (event) => ['/com.snowplowanalytics.snowplow/tp2', `{"data":[${event}]}`],
    jitsu: (event) => ['/api/s/s2s/batch', `{"batch":[${event}]}`],
    openpanel: (event) => ['/track', event],
    appsflyer: (event) => ['/inappevent/replay', event],
    adjust: (event) => ['/event', event.replace(/^\s*\{/, '{"s2s":"1",')],
  };

function requestOf(format: SourceFormat, payload: string, now: number): CollectorRequest {
  if (format === 'link') throw new CodedError('NOT_FOUND', { message: 'A click is not replayed.' });
  const [path, body] = alone[format](payload);
  const headers: Readonly<Record<string, string>> = {
    'content-type': 'application/json',
    // A path that several share is told apart by it.
    ...(format === 'openpanel' ? { 'openpanel-client-id': 'replay' } : {}),
  };
  return {
    method: 'POST',
    path,
    query: '',
    authorization: undefined,
    header: (name) => headers[name],
    userAgent: null,
    body: Buffer.from(body),
    remoteAddress: null,
    receivedAt: now,
    requestId: 'replay',
  };
}

function bodyOf(request: CollectorRequest): BodyText {
  const text = Buffer.from(request.body).toString('utf8');
  return {
    text,
    path: request.path,
    query: '',
    contentType: 'application/json',
    sender: request,
    byteLength: request.body.byteLength,
    unescaped: false,
    ascii: false,
  };
}

function ownersKey(app: DirectoryApp): DirectoryKey {
  return {
    keyId: 'replay',
    kind: 'secret',
    hash: '',
    tenantId: app.tenantId,
    appIds: [app.appId],
    scopes: ['ingest:write', 'ingest:backfill'],
    enabled: true,
  };
}
