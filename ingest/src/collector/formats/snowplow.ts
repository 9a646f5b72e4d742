import { CodedError, limits } from '@tributary/schema';
import { errorResponse, textAnswer } from '../answers.ts';
import type { Draft, Intake } from '../draft.ts';
import type { CollectorRequest, CollectorResponse } from '../request.ts';
import {
  createPicker,
  firstOf,
  fitting,
  type Json,
  moneyOf,
  objectIn,
  pairsOf,
  parseInner,
  propertiesWith,
  without,
} from './fields.ts';
import { asObject, type Decode, parseObject, type WireFormat } from './format.ts';

export const snowplowPaths: readonly string[] = ['/com.snowplowanalytics.snowplow/tp2', '/i'];

/**
 * Snowplow's tracker protocol: `{schema,data:[…]}` by POST, or one event as query of `GET /i`. All values are texts.
 * docs/formats/snowplow.md has the mapping.
 */
export const decodeSnowplow: Decode = ({ text, query, sender }, parse) => {
  const isQuery = text === '';
  const events = isQuery ? [pairsOf(query)] : parseObject(text, parse)['data'];
  if (!Array.isArray(events)) throw new CodedError('BODY_UNPARSABLE', { message: 'data must be an array.' });
  if (events.length === 0 || (isQuery && query === '')) throw new CodedError('BODY_EMPTY');
  // The protocol knows no key: `aid` is it, where no header tells one.
  const key = sender.header('authorization') === undefined ? asObject(events[0])?.['aid'] : undefined;
  return {
    events: events.map((event) => withoutKey(event, key)),
    sentAt: undefined,
    single: isQuery,
    key: typeof key === 'string' ? key : null,
    toDraft: (element) => snowplowDraft(element, parse),
    // JSON within a field, often in base64.
    recoded: true,
  };
};

function withoutKey(event: unknown, key: unknown): unknown {
  const object = asObject(event);
  return object === null || key === undefined || object['aid'] !== key ? event : without(object, new Set(['aid']));
}

const names: ReadonlyMap<string, string> = new Map(
  Object.entries({
    pv: 'page',
    pp: 'page_ping',
    tr: 'purchase',
    ti: 'transaction_item',
  }),
);
/** Names of self-describing events that are of a kind. */
const kinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    screen_view: 'screen',
    application_install: 'install',
    page_view: 'page',
  }),
);

function snowplowDraft(element: unknown, parse?: (text: string) => unknown): Draft | null {
  const event = asObject(element);
  if (event === null) return null;
  const self = selfDescribing(event, parse);
  const contexts = contextsOf(event, parse);
  const { pick, fit, rest } = createPicker(event);
  const name = nameOf(event, self);
  pick(...(self.schema === undefined ? [] : ['ue_px', 'ue_pr']));
  pick(...(contexts.size === 0 ? [] : ['cx', 'co']));
  const hasTrueTime = firstOf(event['ttm']) !== undefined;
  const sentAt = pick('stm');
  return {
    event_id: pick('eid'),
    event_name: name,
    event_kind: pick('e') === 'ue' && typeof name === 'string' ? kinds.get(name) : kindOf(event['e']),
    anonymous_id: pick('duid') ?? firstOf(contexts.get('client_session')?.['userId']) ?? pick('nuid', 'tnuid'),
    user_id: pick('uid'),
    occurred_at: pick('ttm', 'dtm'),
    // The true time is already put right by whoever sent it.
    sent_at: hasTrueTime ? undefined : sentAt,
    ip: pick('ip'),
    url: fit('url', 'url'),
    referrer: fit('referrer', 'refr'),
    user_agent: fit('user_agent', 'ua'),
    locale: fit('locale', 'lang'),
    timezone: fit('timezone', 'tz'),
    sdk: fit('sdk', 'tv'),
    ...mobileFields(contexts.get('mobile_context')),
    ...moneyOf(event['tr_tt'], event['tr_cu']),
    properties: propertiesWith(self.data, [
      ['event_schema', self.schema],
      ['contexts', contexts.size === 0 ? undefined : contextList(event, parse)],
      ...rest(),
    ]),
  };
}

function nameOf(event: Json, self: SelfDescribing): unknown {
  const { e } = event;
  if (e === 'se') return event['se_ac'];
  if (e === 'ue') return typeof self.schema === 'string' ? schemaName(self.schema) : undefined;
  return typeof e === 'string' ? (names.get(e) ?? e) : undefined;
}

const kindOf = (e: unknown): string | undefined => (e === 'pv' ? 'page' : e === 'tr' ? 'purchase' : undefined);

/** `iglu:com.acme/level_complete/jsonschema/1-0-0` → `level_complete`. */
function schemaName(schema: string): string {
  return schema.split('/')[1] ?? schema;
}

function mobileFields(mobile: Json | undefined): Json {
  if (mobile === undefined) return {};
  return {
    platform: fitting('platform', mobile['osType'])?.toLowerCase(),
    os_version: fitting('os_version', mobile['osVersion']),
    device_model: fitting('device_model', mobile['deviceModel']),
    idfa: fitting('idfa', mobile['appleIdfa']),
    idfv: fitting('idfv', mobile['appleIdfv']),
    gaid: fitting('gaid', mobile['androidIdfa']),
  };
}

interface SelfDescribing {
  readonly schema: unknown;
  readonly data: Json | null;
}

/** `{schema: unstruct_event, data: {schema, data}}`, as JSON or base64. */
function selfDescribing(event: Json, parse?: (text: string) => unknown): SelfDescribing {
  const inner = asObject(packedIn(event, 'ue_px', 'ue_pr', parse)?.['data']);
  return { schema: inner?.['schema'], data: asObject(inner?.['data']) };
}

function packedIn(event: Json, base64: string, json: string, parse?: (text: string) => unknown): Json | null {
  const packed = event[base64];
  if (typeof packed === 'string') return asObject(parseInner(Buffer.from(packed, 'base64').toString('utf8'), parse));
  return objectIn(event[json], parse);
}

function contextList(event: Json, parse?: (text: string) => unknown): readonly unknown[] {
  const list = packedIn(event, 'cx', 'co', parse)?.['data'];
  return Array.isArray(list) ? list : [];
}

/** The data of each context by the name of its schema; the first one of a name counts. */
function contextsOf(event: Json, parse?: (text: string) => unknown): ReadonlyMap<string, Json> {
  const byName = new Map<string, Json>();
  for (const context of contextList(event, parse)) {
    const { schema, data } = asObject(context) ?? {};
    const name = typeof schema === 'string' ? schemaName(schema) : '';
    if (!byName.has(name)) byName.set(name, asObject(data) ?? {});
  }
  return byName;
}

function answer(_decoded: unknown, { rejected }: Intake): CollectorResponse {
  return textAnswer(200, 'ok', rejected.length === 0 ? {} : { 'x-rejected': String(rejected.length) });
}

const finalStatuses: ReadonlySet<number> = new Set([400, 401, 403, 410, 422]);

/**
 * Its trackers send the head of their queue again and again unless the status is one of five: what can't work later must be
 * one of them, or nothing behind it would ever be sent. They do not halve a batch; theirs is 40 KB.
 */
function refuse(error: CodedError, request: CollectorRequest): CollectorResponse {
  const isFinal = error.retryable || finalStatuses.has(error.http);
  return errorResponse(error, request.requestId, isFinal ? error.http : 422);
}

export const snowplowFormat: WireFormat = {
  sourceFormat: 'snowplow',
  methods: ['GET', 'POST'],
  maxEventBytes: limits.eventBytes,
  decode: decodeSnowplow,
  answer,
  refuse,
};
