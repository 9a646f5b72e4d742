import { CodedError, limits } from '@tributary/schema';
import { errorHeaders, jsonAnswer, textAnswer } from '../answers.ts';
import type { Draft, Intake } from '../draft.ts';
import type { CollectorRequest, CollectorResponse } from '../request.ts';
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
import { asObject, type Decode, type DecodeInput, type WireFormat } from './format.ts';

/**
 * Mixpanel's ingestion: `data` of a query or form as JSON or base64, or a JSON body; one object, an array, or NDJSON.
 * `/track` and `/import` bring events, `/engage` and `/groups` changes of profiles. docs/formats/mixpanel.md has the mapping.
 */
export const decodeMixpanel: Decode = (input, parse = JSON.parse) => {
  const { body, recoded } = bodyOf(input, parse);
  const list = Array.isArray(body) ? body : [body];
  if (list.length === 0) throw new CodedError('BODY_EMPTY');
  const isProfile = profilePaths.has(input.path);
  return {
    events: list.map(withoutToken),
    sentAt: undefined,
    single: !Array.isArray(body),
    key: keyOf(input.query, list),
    toDraft: isProfile ? (element) => profileDraft(element, input.path === '/groups') : eventDraft,
    ...(recoded ? { recoded } : {}),
  };
};

const profilePaths: ReadonlySet<string> = new Set(['/engage', '/groups']);

function bodyOf({ text, query }: DecodeInput, parse: (text: string) => unknown): { body: unknown; recoded?: true } {
  const packed = text === '' ? rawValueOf(query, 'data') : rawValueOf(/^\s*[[{]/.test(text) ? '' : text, 'data');
  if (packed !== undefined) return { body: parsePacked(packed, parse), recoded: true };
  if (text.trim() === '') throw new CodedError('BODY_EMPTY');
  try {
    return { body: parse(text) };
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    if (lines.length > 1) return { body: lines.map((line) => parsePacked(line, parse)) };
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid JSON.', cause: error });
  }
}

/** The project's token is the key; servers may send theirs as `api_key` in the query. */
function keyOf(query: string, list: readonly unknown[]): string | null {
  const first = asObject(list[0]);
  const inQuery = query === '' ? undefined : pairsOf(query)['api_key'];
  const key = firstOf(inQuery, first?.['$token'], asObject(first?.['properties'])?.['token'], first?.['token']);
  return typeof key === 'string' ? key : null;
}

const tokenNames: ReadonlySet<string> = new Set(['$token', 'token']);

function withoutToken(element: unknown): unknown {
  const object = asObject(element);
  if (object === null) return element;
  const properties = asObject(object['properties']);
  const rest = without(object, tokenNames);
  return properties === null ? rest : { ...rest, properties: without(properties, tokenNames) };
}

const kinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    $identify: 'identify',
    $create_alias: 'alias',
    $merge: 'alias',
    $mp_web_page_view: 'page',
    $ae_first_open: 'install',
    $ae_session: 'session',
    $ae_iap: 'purchase',
  }),
);
const homed: ReadonlySet<string> = new Set(['event', 'properties']);
/** What is no property of the event; the address is under the app's rule for addresses. */
const homedProperties: ReadonlySet<string> = new Set(['$insert_id', 'time', 'ip']);

function eventDraft(element: unknown): Draft | null {
  const event = asObject(element);
  if (event === null) return null;
  const given = asObject(event['properties']);
  const properties = given ?? {};
  const name = event['event'];
  return {
    event_id: properties['$insert_id'],
    event_name: name,
    event_kind: kinds.get(plainText(name)),
    occurred_at: properties['time'],
    ...subjectFields(properties),
    ...contextFields(properties),
    ip: properties['ip'],
    properties: propertiesWith(without(properties, homedProperties), [
      ['properties', given === null ? event['properties'] : undefined],
      ...Object.entries(event).filter(([field]) => !homed.has(field)),
    ]),
  };
}

/** `distinct_id` is `$device:…` until someone logs in. */
function subjectFields(properties: Json): Json {
  const distinctId = properties['distinct_id'];
  if (typeof distinctId !== 'string' || !distinctId.startsWith('$device:'))
    return subjectsOf(distinctId, properties['$device_id'], properties['$user_id']);
  const device = distinctId.slice('$device:'.length);
  return subjectsOf(undefined, firstOf(properties['$device_id'], device), properties['$user_id']);
}

function contextFields(properties: Json): Json {
  return {
    idfa: fitting('idfa', properties['$ios_ifa']),
    platform: fitting('platform', properties['$os'])?.toLowerCase(),
    os_version: fitting('os_version', properties['$os_version']),
    app_version: fitting('app_version', firstOf(properties['$app_version_string'], properties['$app_version'])),
    device_model: fitting('device_model', properties['$model']),
    sdk: sdkOf(properties['mp_lib'], properties['$lib_version']),
    source: fitting('source', properties['utm_source']),
    medium: fitting('medium', properties['utm_medium']),
    keyword: fitting('keyword', properties['utm_term']),
    url: fitting('url', properties['$current_url'] ?? properties['current_url_search']),
    referrer: properties['$referrer'] === '$direct' ? undefined : fitting('referrer', properties['$referrer']),
    country: countryOf(properties['mp_country_code']),
    region: fitting('region', properties['$region']),
    city: fitting('city', properties['$city']),
    ...moneyOf(firstOf(properties['revenue'], properties['$amount']), properties['currency']),
  };
}

const homedInProfiles: ReadonlySet<string> = new Set(['$distinct_id', '$time', '$ip']);

/** A change of a profile: an identify, or a group's. A group has no person; it stands for itself. */
function profileDraft(element: unknown, isGroup: boolean): Draft | null {
  const change = asObject(element);
  if (change === null) return null;
  const kind = isGroup ? 'group' : 'identify';
  const group = isGroup ? `group:${plainText(change['$group_key'])}:${plainText(change['$group_id'])}` : undefined;
  return {
    event_name: kind,
    event_kind: kind,
    anonymous_id: fitting('anonymous_id', group),
    user_id: isGroup ? undefined : change['$distinct_id'],
    occurred_at: change['$time'],
    ip: change['$ip'],
    properties: without(change, homedInProfiles),
  };
}

const isVerbose = (request: CollectorRequest): boolean => /(^|&)verbose=1(&|$)/.test(request.query);
const isStrictImport = (request: CollectorRequest): boolean =>
  request.path === '/import' && /(^|&)strict=1(&|$)/.test(request.query);

/** Its SDKs read the body alone: exactly `1`, or `status` 1 where they ask to be told more. */
function answer(_decoded: unknown, { accepted, rejected }: Intake, request: CollectorRequest): CollectorResponse {
  if (isStrictImport(request)) return strictAnswer(accepted, rejected);
  const isTaken = accepted > 0;
  const [fault] = rejected;
  const error = fault ? `${fault.code}: ${fault.message}` : null;
  if (isVerbose(request)) return jsonAnswer(200, { status: isTaken ? 1 : 0, error });
  return textAnswer(200, isTaken ? '1' : '0');
}

function strictAnswer(imported: number, rejected: Intake['rejected']): CollectorResponse {
  const code = rejected.length === 0 ? 200 : 400;
  return jsonAnswer(code, {
    code,
    num_records_imported: imported,
    status: code === 200 ? 'OK' : 'Bad Request',
    ...(code === 200 ? {} : { error: 'some data points in the request failed validation' }),
    failed_records: rejected.map(({ index, id, field, message }) => ({ index, insert_id: id ?? '', field, message })),
  });
}

function refuse(error: CodedError, request: CollectorRequest): CollectorResponse {
  const headers = errorHeaders(error);
  const message = `${error.code}: ${error.message}`;
  if (isStrictImport(request))
    return jsonAnswer(error.http, { code: error.http, error: message, status: 'Error' }, headers);
  if (isVerbose(request)) return jsonAnswer(error.http, { status: 0, error: message }, headers);
  return textAnswer(error.http, '0', { ...headers, 'x-error-code': error.code });
}

/** `/track` ends in a slash in the browser's SDK. */
export const mixpanelPaths: readonly string[] = ['/track', '/engage', '/groups', '/import'].flatMap((path) => [
  path,
  `${path}/`,
]);

export const mixpanelFormat: WireFormat = {
  sourceFormat: 'mixpanel',
  methods: ['GET', 'POST'],
  maxEventBytes: limits.eventBytes,
  decode: (input, parse) => decodeMixpanel({ ...input, path: input.path.replace(/\/$/, '') }, parse),
  answer,
  refuse,
};
