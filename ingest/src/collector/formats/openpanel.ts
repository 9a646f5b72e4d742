import { CodedError, limits, sha256Hex } from '@tributary/schema';
import { jsonAnswer } from '../answers.ts';
import type { Draft } from '../draft.ts';
import type { CollectorRequest } from '../request.ts';
import { fitting, type Json, moneyOf, plainText, propertiesWith, sdkOf, subjectsOf, without } from './fields.ts';
import { asObject, type Decode, type DecodeInput, parseObject, type WireFormat } from './format.ts';

/** OpenPanel: `{type,payload}`, one a request. docs/formats/openpanel.md has the mapping. */
export const decodeOpenpanel: Decode = ({ text, sender }, parse) => {
  const message = parseObject(text, parse);
  if (typeof message['type'] !== 'string') throw new CodedError('BODY_UNPARSABLE', { message: 'type must be a text.' });
  return {
    events: [message],
    sentAt: undefined,
    single: true,
    key: null,
    toDraft: (element) => openpanelDraft(element, sender),
    // The SDK's name comes from headers.
    recoded: true,
  };
};

const kinds: ReadonlyMap<string, string> = new Map(Object.entries({ screen_view: 'screen', revenue: 'purchase' }));
const messageKinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    identify: 'identify',
    increment: 'identify',
    decrement: 'identify',
    alias: 'alias',
    group: 'group',
    assign_group: 'group',
  }),
);
const homedInTrack: ReadonlySet<string> = new Set(['name', 'profileId', 'properties']);
const homedInOthers: ReadonlySet<string> = new Set(['profileId']);
const homedProperties: ReadonlySet<string> = new Set(['__timestamp', '__deviceId', '__ip']);

function openpanelDraft(element: unknown, sender: DecodeInput['sender']): Draft | null {
  const message = asObject(element);
  const payload = asObject(message?.['payload']);
  if (message === null || payload === null) return null;
  const { type } = message;
  const properties = asObject(payload['properties']) ?? {};
  const profileId = payload['profileId'];
  const given = properties['__deviceId'];
  const isTrack = type === 'track';
  const messageKind = messageKinds.get(plainText(type));
  return {
    event_name: isTrack ? payload['name'] : (messageKind ?? type),
    event_kind: isTrack ? kinds.get(plainText(payload['name'])) : messageKind,
    // Neither a person nor a device is named: as OpenPanel does, one is made that changes every day.
    ...subjectsOf(
      profileId,
      given ?? (profileId === undefined || profileId === '' ? deviceIdOf(sender) : undefined),
      undefined,
    ),
    occurred_at: properties['__timestamp'],
    ip: properties['__ip'],
    url: urlOf(properties['__path']),
    referrer: fitting('referrer', properties['__referrer']),
    sdk: sdkOf(sender.header('openpanel-sdk-name'), sender.header('openpanel-sdk-version')),
    ...moneyOf(properties['__revenue'], properties['currency'] ?? properties['__currency']),
    properties: isTrack ? trackProperties(payload, properties) : otherProperties(payload, plainText(type)),
  };
}

function trackProperties(payload: Json, properties: Json): Json {
  return propertiesWith(
    without(properties, homedProperties),
    Object.entries(payload).filter(([name]) => !homedInTrack.has(name)),
  );
}

/** `increment` and its like are told apart by their type. */
function otherProperties(payload: Json, type: string): Json {
  const rest = without(payload, homedInOthers);
  return type === messageKinds.get(type) ? rest : propertiesWith(rest, [['type', type]]);
}

/** A path alone is no address. */
function urlOf(path: unknown): string | undefined {
  return typeof path === 'string' && /^https?:\/\//.test(path) ? fitting('url', path) : undefined;
}

const dayMs = 86_400_000;
const sessionMs = 30 * 60_000;

/** Of app, day, address and user agent, from which none of them can be found without the key. */
function deviceIdOf({ header, remoteAddress, userAgent, receivedAt }: DecodeInput['sender']): string {
  const key = `${header('openpanel-client-id') ?? ''}\u001f${header('openpanel-client-secret') ?? ''}`;
  return sha256Hex([Math.floor(receivedAt / dayMs), key, remoteAddress, userAgent].join('\u001f')).slice(0, 32);
}

function answer(_decoded: unknown, { rejected }: { readonly rejected: readonly unknown[] }, request: CollectorRequest) {
  const deviceId = deviceIdOf(request);
  const sessionId = sha256Hex(`${deviceId}\u001f${Math.floor(request.receivedAt / sessionMs)}`).slice(0, 32);
  return jsonAnswer(200, { deviceId, sessionId, ...(rejected.length === 0 ? {} : { rejected }) });
}

export const openpanelFormat: WireFormat = {
  sourceFormat: 'openpanel',
  methods: ['POST'],
  maxEventBytes: limits.eventBytes,
  claims: (request) => request.header('openpanel-client-id') !== undefined,
  /** A server's secret is a secret key; a client without one is known by its id, which is a write key. */
  keyOf: (request) => {
    const secret = request.header('openpanel-client-secret');
    return secret === undefined || secret === '' ? (request.header('openpanel-client-id') ?? null) : secret;
  },
  decode: decodeOpenpanel,
  answer,
};
