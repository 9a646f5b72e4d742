import { CodedError, limits } from '@tributary/schema';
import { errorResponse, jsonAnswer } from '../answers.ts';
import type { Draft, RejectedEvent } from '../draft.ts';
import type { CollectorResponse } from '../request.ts';
import {
  countryOf,
  firstOf,
  fitting,
  type Json,
  moneyOf,
  pairsOf,
  parsePacked,
  plainText,
  propertiesWith,
  rawValueOf,
  sdkOf,
  subjectsOf,
  without,
} from './fields.ts';
import { asObject, type Decode, type Decoded, type DecodeInput, type WireFormat } from './format.ts';

/** What PostHog's SDKs post to: batches of servers and phones, and the browser's own path, old and new. */
export const posthogPaths: readonly string[] = ['/batch/', '/capture', '/e', '/i/v0/e', '/i/v0/ai/batch'].flatMap(
  (path) => (path.endsWith('/') ? [path] : [path, `${path}/`]),
);

/**
 * `{api_key,batch,sent_at}`, one event, or an array of events; as JSON, or as a form's or query's `data` in JSON or base64.
 * docs/formats/posthog.md has the mapping.
 */
export const decodePosthog: Decode = (input, parse = JSON.parse) => {
  const { body, recoded } = bodyOf(input, parse);
  const object = asObject(body);
  const list = Array.isArray(body) ? body : (object?.['batch'] ?? object?.['data']);
  const single = !Array.isArray(list);
  if (single && object?.['event'] === undefined)
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is neither an event nor a batch.' });
  const events = single ? [object] : list;
  if (events.length === 0) throw new CodedError('BODY_EMPTY');
  const sentAt = object?.['sent_at'] ?? queryTime(input.query);
  return {
    events: events.map(withoutKeys),
    sentAt: single && object?.['sent_at'] !== undefined ? undefined : sentAt,
    single,
    key: keyOf(object, events),
    toDraft: posthogDraft,
    ...(recoded ? { recoded } : {}),
  };
};

function bodyOf(input: DecodeInput, parse: (text: string) => unknown): { body: unknown; recoded?: true } {
  const { text, query } = input;
  const packed =
    text === ''
      ? rawValueOf(query, 'data')
      : /^data=/.test(text)
        ? rawValueOf(text, 'data')
        : /(^|&)compression=base64(&|$)/.test(query) && !/^\s*[[{]/.test(text)
          ? text
          : undefined;
  if (packed !== undefined) return { body: parsePacked(packed, parse), recoded: true };
  if (text === '') throw new CodedError('BODY_EMPTY');
  try {
    return { body: parse(text) };
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid JSON.', cause: error });
  }
}

/** The browser's clock when it sent, in milliseconds. */
function queryTime(query: string): unknown {
  const time = query === '' ? undefined : pairsOf(query)['_'];
  return typeof time === 'string' && /^\d{12,14}$/.test(time) ? time : undefined;
}

const keyNames: ReadonlySet<string> = new Set(['api_key', 'token']);

function keyOf(body: Json | null, events: readonly unknown[]): string | null {
  const event = asObject(events[0]);
  const inEvent = asObject(event?.['properties'])?.['token'];
  const key = firstOf(body?.['api_key'], body?.['token'], event?.['api_key'], event?.['token'], inEvent);
  return typeof key === 'string' ? key : null;
}

function withoutKeys(event: unknown): unknown {
  const object = asObject(event);
  if (object === null) return event;
  const properties = asObject(object['properties']);
  const isInProperties = properties !== null && Object.hasOwn(properties, 'token');
  if (!isInProperties && !Object.hasOwn(object, 'api_key') && !Object.hasOwn(object, 'token')) return event;
  const rest = without(object, keyNames);
  return isInProperties ? { ...rest, properties: without(properties, new Set(['token'])) } : rest;
}

const kinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    $pageview: 'page',
    $screen: 'screen',
    $identify: 'identify',
    $set: 'identify',
    $create_alias: 'alias',
    $merge_dangerously: 'alias',
    $groupidentify: 'group',
  }),
);
const homed: ReadonlySet<string> = new Set([
  'event',
  'uuid',
  'distinct_id',
  'timestamp',
  'sent_at',
  'properties',
  'type',
  'library',
  'library_version',
  'messageId',
]);

function posthogDraft(element: unknown): Draft | null {
  const event = asObject(element);
  if (event === null) return null;
  const properties = asObject(event['properties']);
  const name = event['event'];
  const distinctId = firstOf(event['distinct_id'], properties?.['distinct_id']);
  const subjects = subjectFields(distinctId, properties);
  return {
    event_id: event['uuid'] ?? event['messageId'],
    event_name: name,
    event_kind: kinds.get(plainText(name)),
    occurred_at: event['timestamp'],
    sent_at: event['sent_at'],
    ...subjects,
    ...(properties === null ? {} : contextFields(properties)),
    sdk: sdkOf(properties?.['$lib'] ?? event['library'], properties?.['$lib_version'] ?? event['library_version']),
    ip: properties?.['$ip'],
    properties: propertiesWith(properties === null ? null : without(properties, addressNames), [
      ['properties', properties === null ? event['properties'] : undefined],
      ['distinct_id', Object.values(subjects).includes(distinctId) ? undefined : event['distinct_id']],
      ...Object.entries(event).filter(([field]) => !homed.has(field)),
    ]),
  };
}

/** The address is under the app's rule for addresses, which does not reach into properties. */
const addressNames: ReadonlySet<string> = new Set(['$ip']);

/** `distinct_id` is a device's until someone logs in; the SDKs of phones and browsers say which it is. */
function subjectFields(distinctId: unknown, properties: Json | null): Json {
  const isAnonymous = properties?.['$is_identified'] === false || properties?.['$user_state'] === 'anonymous';
  const device = firstOf(properties?.['$device_id'], properties?.['$anon_distinct_id']);
  return subjectsOf(
    isAnonymous ? undefined : distinctId,
    isAnonymous ? (device ?? distinctId) : device,
    properties?.['$user_id'],
  );
}

function contextFields(properties: Json): Json {
  return {
    platform: fitting('platform', properties['$os'])?.toLowerCase(),
    os_version: fitting('os_version', properties['$os_version']),
    app_version: fitting('app_version', properties['$app_version']),
    device_model: fitting('device_model', properties['$device_model']),
    source: fitting('source', properties['utm_source']),
    medium: fitting('medium', properties['utm_medium']),
    keyword: fitting('keyword', properties['utm_term']),
    url: fitting('url', properties['$current_url']),
    referrer: properties['$referrer'] === '$direct' ? undefined : fitting('referrer', properties['$referrer']),
    locale: fitting('locale', firstOf(properties['$locale'], properties['$browser_language'])),
    timezone: fitting('timezone', properties['$timezone']),
    user_agent: fitting('user_agent', firstOf(properties['$raw_user_agent'], properties['$user_agent'])),
    country: countryOf(properties['$geoip_country_code']),
    ...moneyOf(
      firstOf(properties['$revenue'], properties['revenue']),
      firstOf(properties['$currency'], properties['currency']),
    ),
  };
}

/** Whether a body on `/batch`, where Amplitude's come too, is PostHog's. */
function hasBatch(text: string): boolean {
  if (!text.includes('"batch"')) return false;
  try {
    return Array.isArray(asObject(JSON.parse(text))?.['batch']);
  } catch {
    return false;
  }
}

const answer: WireFormat['answer'] = (_decoded, { rejected }) =>
  jsonAnswer(200, { status: 1, ...(rejected.length === 0 ? {} : { rejected }) });

/** Its SDKs read statuses only: below 300 is delivered, 413 halves the batch, 408, 429 and above 499 come again. */
export const posthogFormat: WireFormat = {
  sourceFormat: 'posthog',
  methods: ['GET', 'POST'],
  maxEventBytes: limits.eventBytes,
  decode: decodePosthog,
  answer,
};

/** On the path that Amplitude has too. */
export const posthogBatchFormat: WireFormat = {
  ...posthogFormat,
  methods: ['POST'],
  claims: (_, text) => hasBatch(text),
};

/** Capture mode v1: the answer says for each `uuid` what became of it, and its SDK can't do without. */
export const posthogV1Format: WireFormat = {
  sourceFormat: 'posthog',
  methods: ['POST'],
  maxEventBytes: limits.eventBytes,
  decode: (input, parse) => {
    const decoded = decodePosthog(input, parse);
    // created_at stays the same over all attempts; the header is the clock at this one.
    const sentAt = input.sender.header('posthog-request-timestamp');
    const sdk = sdkOf(...sdkParts(input.sender.header('posthog-sdk-info')));
    const toDraft = (element: unknown): Draft | null => {
      const draft = decoded.toDraft(element);
      return draft === null || sdk === undefined || draft['sdk'] !== undefined ? draft : { ...draft, sdk };
    };
    return { ...decoded, sentAt, toDraft, recoded: true };
  },
  answer: (decoded, { rejected }) => jsonAnswer(200, { results: resultsOf(decoded, rejected) }),
  // Throttled is not final for the events, but to some of its SDKs a 429 is.
  refuse: (error, request) => v1Refusal(error, request.requestId),
};

function sdkParts(info: string | undefined): [string | undefined, string | undefined] {
  const slash = info?.lastIndexOf('/') ?? -1;
  return info === undefined || slash < 0 ? [info, undefined] : [info.slice(0, slash), info.slice(slash + 1)];
}

function resultsOf(decoded: Decoded, rejected: readonly RejectedEvent[]): Json {
  const faults = new Map(rejected.map((event) => [event.index, event]));
  const results = decoded.events.flatMap((event, index): [string, Json][] => {
    const uuid = asObject(event)?.['uuid'];
    if (typeof uuid !== 'string') return [];
    const fault = faults.get(index);
    return [[uuid, fault ? { result: 'drop', details: `${fault.code}: ${fault.message}` } : { result: 'ok' }]];
  });
  return Object.fromEntries(results);
}

function v1Refusal(error: CodedError, requestId: string): CollectorResponse {
  return errorResponse(error, requestId, error.http === 429 ? 503 : error.http);
}
