import { CodedError } from '@tributary/schema';
import type { Draft } from '../draft.ts';
import { asObject, type Decoded } from './native.ts';

/**
 * Segment's HTTP tracking API: `{batch:[…],writeKey,sentAt}` on `/v1/batch`, one message on `/v1/track` and its like.
 * docs/formats/segment.md has the mapping; what has no home goes to `properties` under its own name.
 */
export function decodeSegment(text: string, path: string): Decoded {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not valid JSON.', cause: error });
  }
  const object = asObject(body);
  if (object === null) throw new CodedError('BODY_UNPARSABLE', { message: 'The body is not a JSON object.' });
  const key = typeof object['writeKey'] === 'string' ? object['writeKey'] : null;
  const type = path.slice(path.lastIndexOf('/') + 1);
  if (type !== 'batch')
    return { events: [{ type, ...object }], sentAt: object['sentAt'], single: true, key, toDraft: segmentDraft };
  const batch = object['batch'];
  if (!Array.isArray(batch)) throw new CodedError('BODY_UNPARSABLE', { message: 'batch must be an array.' });
  if (batch.length === 0) throw new CodedError('BODY_EMPTY');
  return { events: batch, sentAt: object['sentAt'], single: false, key, toDraft: segmentDraft };
}

const kinds: Readonly<Record<string, string>> = {
  identify: 'identify',
  page: 'page',
  screen: 'screen',
  group: 'group',
  alias: 'alias',
};
/** Message fields that have a canonical home, or say nothing that the event itself doesn't. */
const homed = new Set([
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
  'writeKey',
  '_metadata',
  'integrations',
]);

function segmentDraft(element: unknown): Draft | null {
  const message = asObject(element);
  if (message === null) return null;
  const properties = asObject(message['properties']);
  const context = asObject(message['context']);
  const draft: Record<string, unknown> = {
    event_id: message['messageId'],
    event_name: nameOf(message),
    ...kindOf(message),
    anonymous_id: message['anonymousId'],
    user_id: message['userId'],
    occurred_at: message['timestamp'] ?? message['originalTimestamp'],
    ...(message['sentAt'] === undefined ? {} : { sent_at: message['sentAt'] }),
    ...contextFields(context),
    ...moneyFields(properties),
    properties: propertiesOf(message, context),
  };
  for (const name of Object.keys(draft)) if (draft[name] === undefined || draft[name] === null) delete draft[name];
  return draft;
}

function nameOf(message: Readonly<Record<string, unknown>>): unknown {
  if (message['type'] === 'track' || message['type'] === undefined) return message['event'];
  // A page or screen is named by its kind; its own name stays in the properties, so that names don't multiply.
  return typeof message['type'] === 'string' ? message['type'] : undefined;
}

function kindOf(message: Readonly<Record<string, unknown>>): { event_kind?: string } {
  const { type } = message;
  return typeof type === 'string' && Object.hasOwn(kinds, type) ? { event_kind: kinds[type]! } : {};
}

function contextFields(context: Readonly<Record<string, unknown>> | null): Record<string, unknown> {
  if (context === null) return {};
  const [device, os, app, campaign, page, library, network] = [
    'device',
    'os',
    'app',
    'campaign',
    'page',
    'library',
    'referrer',
  ].map((name) => asObject(context[name]));
  const ios = /ios|ipados/i.test(String(os?.['name'] ?? ''));
  const advertising = device?.['advertisingId'];
  return {
    ...(advertising === undefined ? {} : ios ? { idfa: advertising } : { gaid: advertising }),
    ...(device?.['id'] === undefined ? {} : ios ? { idfv: device['id'] } : { android_id: device['id'] }),
    device_model: device?.['model'],
    platform: typeof os?.['name'] === 'string' ? os['name'].toLowerCase() : undefined,
    os_version: os?.['version'],
    app_version: app?.['version'],
    source: campaign?.['source'],
    medium: campaign?.['medium'],
    keyword: campaign?.['term'],
    url: page?.['url'],
    referrer: page?.['referrer'] ?? network?.['url'],
    locale: context['locale'],
    timezone: context['timezone'],
    user_agent: context['userAgent'],
    sdk: library
      ? [library['name'], library['version']].filter((part) => typeof part === 'string').join('/')
      : undefined,
  };
}

/** Segment's e-commerce names: revenue, else total, else value; with currency. Left in the properties too. */
function moneyFields(properties: Readonly<Record<string, unknown>> | null): Record<string, unknown> {
  const amount = properties?.['revenue'] ?? properties?.['total'] ?? properties?.['value'];
  if (typeof amount !== 'number' && typeof amount !== 'string') return {};
  // What isn't a plain decimal stays a property: Segment allows any value here, and an event is not lost over it.
  if (!/^-?\d{1,18}(\.\d{1,6})?$/.test(String(amount))) return {};
  const currency = properties?.['currency'];
  return {
    revenue_amount: String(amount),
    ...(typeof currency === 'string' && /^[A-Za-z]{3}$/.test(currency) ? { revenue_currency: currency } : {}),
  };
}

function propertiesOf(
  message: Readonly<Record<string, unknown>>,
  context: Readonly<Record<string, unknown>> | null,
): Record<string, unknown> {
  const kept: [string, unknown][] = Object.entries(asObject(message['properties']) ?? {});
  const taken = new Set(kept.map(([name]) => name));
  const keep = (name: string, value: unknown) => {
    if (value !== undefined) kept.push([taken.has(name) ? `_${name}` : name, value]);
  };
  keep('traits', message['traits']);
  keep('context', context ?? undefined);
  if (message['type'] !== 'track') keep('name', message['name']);
  for (const [name, value] of Object.entries(message)) if (!homed.has(name)) keep(name, value);
  return Object.fromEntries(kept);
}
