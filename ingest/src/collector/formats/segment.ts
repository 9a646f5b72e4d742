import { CodedError, limits } from '@tributary/schema';
import { keyFields } from '../client-fields.ts';
import type { Draft } from '../draft.ts';
import { fitting, type Json, moneyOf, plainText, propertiesWith, sdkOf } from './fields.ts';
import { asObject, type Decode, keyIn, parseObject, type WireFormat } from './format.ts';

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

/** One message of Segment's or of those that speak its language → a draft. */
export function segmentDraft(element: unknown): Draft | null {
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

/** What doesn't fit is left out; the whole context stays in the properties. */
function contextFields(context: Json): Json {
  const part = (name: string): Json => asObject(context[name]) ?? {};
  const [device, os, app, campaign, page] = [part('device'), part('os'), part('app'), part('campaign'), part('page')];
  const library = part('library');
  const ios = /ios|ipados/i.test(plainText(os['name']));
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
    sdk: sdkOf(library['name'], library['version']),
  };
}

/** Segment's e-commerce names: revenue, else total, else value; with currency. Left in the properties too. */
function moneyFields(properties: Json): Json {
  return moneyOf(properties['revenue'] ?? properties['total'] ?? properties['value'], properties['currency']);
}

function propertiesOf(message: Json, properties: Json | null, context: Json | null): Json {
  return propertiesWith(properties, [
    ['properties', properties === null ? message['properties'] : undefined],
    ['traits', message['traits']],
    ['context', context === null ? message['context'] : withoutIp(context)],
    ['name', message['type'] === 'track' ? undefined : message['name']],
    ...Object.entries(message).filter(([name]) => !homed.has(name)),
  ]);
}

/** The address is under the app's rule for addresses (keep, truncate, drop), which does not reach into properties. */
function withoutIp(context: Json): Json {
  if (context['ip'] === undefined) return context;
  const { ip: _, ...rest } = context;
  return rest;
}
