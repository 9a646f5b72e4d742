import { CodedError, decimalPattern, limits } from '@tributary/schema';
import { keyFields, type TextField, textFields } from '../client-fields.ts';
import type { Draft } from '../draft.ts';
import { asObject, type Decode, keyIn, parseObject, type WireFormat } from './format.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Segment's HTTP tracking API: `{batch:[…],writeKey,sentAt}` on `/v1/batch`, one message on `/v1/track` and its like.
 * docs/formats/segment.md has the mapping; what has no home goes to `properties` under its own name.
 */
export const decodeSegment: Decode = ({ text, path }, parse) => {
  const object = parseObject(text, parse);
  const key = keyIn(object);
  const type = path.slice(path.lastIndexOf('/') + 1);
  if (type !== 'batch')
    return { events: [{ ...object, type }], sentAt: object['sentAt'], single: true, key, toDraft: segmentDraft };
  const batch = object['batch'];
  if (!Array.isArray(batch)) throw new CodedError('BODY_UNPARSABLE', { message: 'batch must be an array.' });
  if (batch.length === 0) throw new CodedError('BODY_EMPTY');
  return { events: batch, sentAt: object['sentAt'], single: false, key, toDraft: segmentDraft };
};

/** Paths of the API that take messages. */
export const segmentPaths: readonly string[] = ['batch', 'track', 'identify', 'page', 'screen', 'group', 'alias'].map(
  (type) => `/v1/${type}`,
);

export const segmentFormat: WireFormat = {
  sourceFormat: 'segment',
  methods: ['POST'],
  maxEventBytes: limits.segmentEventBytes,
  decode: decodeSegment,
};

const kinds: ReadonlySet<unknown> = new Set(['identify', 'page', 'screen', 'group', 'alias']);
/** Message fields that have a canonical home, or say nothing that the event itself doesn't. */
const homed: ReadonlySet<string> = new Set<string>([
  ...keyFields,
  'type',
  'event',
  'name',
  'messageId',
  'anonymousId',
  'userId',
  'timestamp',
  'originalTimestamp',
  'sentAt',
  'context',
  'properties',
  'traits',
  '_metadata',
  'integrations',
]);

function segmentDraft(element: unknown): Draft | null {
  const message = asObject(element);
  if (message === null) return null;
  const properties = asObject(message['properties']);
  const context = asObject(message['context']);
  const { type } = message;
  return {
    event_id: message['messageId'],
    event_name: nameOf(message),
    event_kind: kinds.has(type) ? type : undefined,
    anonymous_id: message['anonymousId'],
    user_id: message['userId'],
    occurred_at: message['timestamp'] ?? message['originalTimestamp'],
    sent_at: message['sentAt'],
    ip: context?.['ip'],
    ...(context === null ? {} : contextFields(context)),
    ...(properties === null ? {} : moneyFields(properties)),
    properties: propertiesOf(message, properties, context),
  };
}

function nameOf(message: Json): unknown {
  const { type } = message;
  if (type === 'track' || type === undefined) return message['event'];
  // A page or screen is named by its kind; its own name stays in the properties, so that names don't multiply.
  return typeof type === 'string' ? type : undefined;
}

/**
 * What doesn't fit (an address over the bound, an object where a text is expected) is left out: Segment allows any context,
 * an event is not lost over it, and the whole context stays in the properties.
 */
function contextFields(context: Json): Json {
  const part = (name: string): Json => asObject(context[name]) ?? {};
  const [device, os, app, campaign, page] = [part('device'), part('os'), part('app'), part('campaign'), part('page')];
  const library = part('library');
  const ios = /ios|ipados/i.test(String(os['name'] ?? ''));
  return {
    [ios ? 'idfa' : 'gaid']: fitting(ios ? 'idfa' : 'gaid', device['advertisingId']),
    [ios ? 'idfv' : 'android_id']: fitting(ios ? 'idfv' : 'android_id', device['id']),
    device_model: fitting('device_model', device['model']),
    platform: fitting('platform', os['name'])?.toLowerCase(),
    os_version: fitting('os_version', os['version']),
    app_version: fitting('app_version', app['version']),
    source: fitting('source', campaign['source']),
    medium: fitting('medium', campaign['medium']),
    keyword: fitting('keyword', campaign['term']),
    url: fitting('url', page['url']),
    referrer: fitting('referrer', page['referrer'] ?? part('referrer')['url']),
    locale: fitting('locale', context['locale']),
    timezone: fitting('timezone', context['timezone']),
    user_agent: fitting('user_agent', context['userAgent']),
    sdk: fitting('sdk', [library['name'], library['version']].filter((text) => typeof text === 'string').join('/')),
  };
}

function fitting(field: TextField, value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= textFields[field] ? value : undefined;
}

/** Segment's e-commerce names: revenue, else total, else value; with currency. Left in the properties too. */
function moneyFields(properties: Json): Json {
  const amount = properties['revenue'] ?? properties['total'] ?? properties['value'];
  if (typeof amount !== 'number' && typeof amount !== 'string') return {};
  // What isn't a plain decimal stays a property: Segment allows any value here, and an event is not lost over it.
  if (!decimalPattern.test(String(amount))) return {};
  const currency = properties['currency'];
  return {
    revenue_amount: String(amount),
    revenue_currency: typeof currency === 'string' && /^[A-Za-z]{3}$/.test(currency) ? currency : undefined,
  };
}

function propertiesOf(message: Json, properties: Json | null, context: Json | null): Json {
  const kept: Record<string, unknown> = { ...properties };
  const keep = (name: string, value: unknown) => {
    if (value === undefined) return;
    let free = name;
    while (Object.hasOwn(kept, free)) free = `_${free}`;
    // A plain assignment would take a field named __proto__ for the prototype.
    Object.defineProperty(kept, free, { value, enumerable: true, configurable: true, writable: true });
  };
  if (properties === null) keep('properties', message['properties']);
  keep('traits', message['traits']);
  keep('context', context === null ? message['context'] : withoutIp(context));
  if (message['type'] !== 'track') keep('name', message['name']);
  for (const name of Object.keys(message)) if (!homed.has(name)) keep(name, message[name]);
  return kept;
}

/** The address is under the app's rule for addresses (keep, truncate, drop), which does not reach into properties. */
function withoutIp(context: Json): Json {
  if (context['ip'] === undefined) return context;
  const { ip: _, ...rest } = context;
  return rest;
}
