import { CodedError, decimalPattern, limits } from '@tributary/schema';
import { errorHeaders, jsonAnswer } from '../answers.ts';
import type { Draft, Intake, RejectedEvent } from '../draft.ts';
import type { CollectorRequest, CollectorResponse } from '../request.ts';
import { countryOf, firstOf, fitting, type Json, moneyOf, plainText, propertiesWith, sdkOf } from './fields.ts';
import { asObject, type Decode, type Decoded, parseObject, type WireFormat } from './format.ts';

/**
 * Amplitude's HTTP V2 and batch APIs: `{api_key,events:[…],client_upload_time}`. docs/formats/amplitude.md has the mapping.
 */
export const decodeAmplitude: Decode = ({ text }, parse) => {
  const body = parseObject(text, parse);
  const { events: given, api_key: key } = body;
  const events = Array.isArray(given) ? given : asObject(given) === null ? undefined : [given];
  if (events === undefined) throw new CodedError('BODY_UNPARSABLE', { message: 'events must be an array.' });
  if (events.length === 0) throw new CodedError('BODY_EMPTY');
  return {
    events,
    sentAt: body['client_upload_time'],
    single: false,
    key: typeof key === 'string' ? key : null,
    toDraft: amplitudeDraft,
  };
};

const kinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    $identify: 'identify',
    $groupidentify: 'group',
    revenue_amount: 'purchase',
    '[Amplitude] Page Viewed': 'page',
    '[Amplitude] Screen Viewed': 'screen',
    '[Amplitude] Application Installed': 'install',
    '[Amplitude] Application Opened': 'session',
  }),
);
/** Fields with a canonical home under another name; the other ones keep their own, in the properties. */
const homed: ReadonlySet<string> = new Set([
  'event_type',
  'insert_id',
  'user_id',
  'device_id',
  'time',
  'event_properties',
  'idfa',
  'idfv',
  'adid',
  'android_id',
  'ip',
  'api_key',
]);

function amplitudeDraft(element: unknown): Draft | null {
  const event = asObject(element);
  if (event === null) return null;
  const properties = asObject(event['event_properties']);
  const name = event['event_type'];
  return {
    event_id: event['insert_id'],
    event_name: name,
    event_kind: kinds.get(plainText(name)),
    anonymous_id: event['device_id'],
    user_id: event['user_id'],
    occurred_at: event['time'],
    idfa: event['idfa'],
    idfv: event['idfv'],
    gaid: event['adid'],
    android_id: event['android_id'],
    app_version: fitting('app_version', event['app_version']),
    os_version: fitting('os_version', event['os_version']),
    ip: event['ip'] === '$remote' ? undefined : event['ip'],
    ...contextFields(event, properties),
    ...revenueOf(event, properties),
    properties: propertiesWith(properties, [
      ['event_properties', properties === null ? event['event_properties'] : undefined],
      ...Object.entries(event).filter(([field]) => !homed.has(field)),
    ]),
  };
}

function contextFields(event: Json, properties: Json | null): Json {
  const user = asObject(event['user_properties']);
  return {
    platform: fitting('platform', firstOf(event['platform'], event['os_name']))?.toLowerCase(),
    device_model: fitting('device_model', event['device_model']),
    locale: fitting('locale', event['language']),
    country: countryOf(event['country']),
    region: fitting('region', event['region']),
    city: fitting('city', event['city']),
    user_agent: fitting('user_agent', event['user_agent']),
    sdk: sdkOf(event['library'], undefined),
    url: fitting('url', properties?.['[Amplitude] Page Location']),
    referrer: fitting('referrer', firstOf(properties?.['referrer'], user?.['referrer'])),
    source: fitting('source', firstOf(properties?.['utm_source'], user?.['utm_source'])),
    medium: fitting('medium', firstOf(properties?.['utm_medium'], user?.['utm_medium'])),
    keyword: fitting('keyword', firstOf(properties?.['utm_term'], user?.['utm_term'])),
  };
}

/** `revenue`, else price × quantity: on the event itself, else among its properties as the SDKs' revenue call puts them. */
function revenueOf(event: Json, properties: Json | null): Json {
  const field = (name: string): unknown => firstOf(event[name], properties?.[`$${name}`]);
  const currency = firstOf(event['currency'], properties?.['$currency'], properties?.['currency']);
  return moneyOf(firstOf(field('revenue'), productOf(field('price'), field('quantity') ?? 1)), currency);
}

/** Decimals are multiplied as whole numbers: money is never a float. Undefined where one is no plain decimal. */
export function productOf(price: unknown, quantity: unknown): string | undefined {
  const [left, right] = [plainText(price), plainText(quantity)];
  if (!decimalPattern.test(left) || !decimalPattern.test(right)) return undefined;
  const decimals = decimalsOf(left) + decimalsOf(right);
  const product = BigInt(left.replace('.', '')) * BigInt(right.replace('.', ''));
  const digits = (product < 0n ? -product : product).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return `${product < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

const decimalsOf = (decimal: string): number => (decimal.includes('.') ? decimal.length - decimal.indexOf('.') - 1 : 0);

/** The vendor's names of the fields that a verdict may name. */
const vendorNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    event_id: 'insert_id',
    event_name: 'event_type',
    anonymous_id: 'device_id',
    occurred_at: 'time',
    gaid: 'adid',
    sent_at: 'client_upload_time',
    properties: 'event_properties',
    revenue_amount: 'revenue',
  }),
);

/**
 * Its SDK reads `code` in the body. Of a batch with bad events it drops those that are named and sends the rest again, under
 * the same ids. Where an event of the rest has neither id nor time it would count twice: then all is answered as taken, and
 * the bad ones are among the dead letters alone.
 */
function answer(_decoded: Decoded, intake: Intake, request: CollectorRequest): CollectorResponse {
  const { rejected, eventIds, accepted } = intake;
  if (rejected.length > 0 && !eventIds.some((id) => id.startsWith('evt_'))) {
    const [missing, invalid] = [rejected.filter(isMissing), rejected.filter((event) => !isMissing(event))];
    return jsonAnswer(400, {
      code: 400,
      error: `${rejected.length} of the events are not valid: ${rejected[0]!.code}: ${rejected[0]!.message}`,
      events_with_invalid_fields: indexesByField(invalid),
      events_with_missing_fields: indexesByField(missing),
      events_ingested: accepted,
    });
  }
  return jsonAnswer(200, {
    code: 200,
    events_ingested: accepted,
    payload_size_bytes: request.body.byteLength,
    server_upload_time: request.receivedAt,
  });
}

const isMissing = ({ code }: RejectedEvent): boolean => code === 'SUBJECT_MISSING' || code === 'EVENT_NAME_MISSING';

function indexesByField(rejected: readonly RejectedEvent[]): Record<string, number[]> {
  const byField: Record<string, number[]> = {};
  for (const { code, field, index } of rejected) {
    const name = code === 'SUBJECT_MISSING' ? 'user_id' : (vendorNames.get(field) ?? (field || 'event'));
    byField[name] = [...(byField[name] ?? []), index];
  }
  return byField;
}

/**
 * `code` in the body too. A 429 names every event as throttled: for those the SDK waits 30 s, instead of spending one of its
 * few attempts every flush. Any other 4xx names a `missing_field`, which is final to the SDK; without it, it would send the
 * same body until its attempts are spent.
 */
function refuse(error: CodedError, request: CollectorRequest): CollectorResponse {
  const { http: code, message } = error;
  const body: Record<string, unknown> = { code, error: `${error.code}: ${message}` };
  if (code === 429) {
    body['eps_threshold'] = 0;
    body['throttled_devices'] = {};
    body['throttled_users'] = {};
    body['throttled_events'] = Array.from({ length: countEvents(request) }, (_, index) => index);
  } else if (code < 500 && code !== 413 && code !== 408) body['missing_field'] = code === 401 ? 'api_key' : 'events';
  return jsonAnswer(code, body, errorHeaders(error));
}

function countEvents(request: CollectorRequest): number {
  try {
    const body = asObject(JSON.parse(Buffer.from(request.body).toString('utf8')));
    return Array.isArray(body?.['events']) ? body['events'].length : 0;
  } catch {
    return 0;
  }
}

export const amplitudeFormat: WireFormat = {
  sourceFormat: 'amplitude',
  methods: ['POST'],
  maxEventBytes: limits.eventBytes,
  decode: decodeAmplitude,
  answer,
  refuse,
};
