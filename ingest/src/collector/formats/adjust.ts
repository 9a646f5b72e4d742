import { CodedError, limits } from '@tributary/schema';
import { errorResponse, jsonAnswer } from '../answers.ts';
import type { Draft, Intake } from '../draft.ts';
import type { CollectorRequest, CollectorResponse } from '../request.ts';
import {
  countryOf,
  createPicker,
  firstOf,
  fitting,
  type Json,
  moneyOf,
  objectIn,
  type Picker,
  pairsOf,
  plainText,
  propertiesWith,
  without,
} from './fields.ts';
import { asObject, type Decode, parseObject, type WireFormat } from './format.ts';

/** `/event`, `/session` and `/install`; a click is `/:token`, an impression `/impression/:token`. */
export const adjustPath = /^\/(?:event|session|install|(?:impression\/)?[a-z0-9]{6,8}(?:_[a-z0-9]{6,8})?)$/;

/**
 * Adjust's server-to-server requests: parameters of the query, of a form, or both; `s2s=1` in each. docs/formats/adjust.md
 * has the mapping. Throws NOT_FOUND where the path could be anything and `s2s` isn't there.
 */
export const decodeAdjust: Decode = ({ text, path, query, contentType }, parse) => {
  const isJson = contentType === 'application/json' || /^\s*\{/.test(text);
  const body = text === '' ? {} : isJson ? parseObject(text, parse) : pairsOf(text);
  const event = { ...pairsOf(query), ...body };
  if (plainText(event['s2s']) !== '1') {
    if (!fixedPaths.has(path)) throw new CodedError('NOT_FOUND');
    throw new CodedError('BODY_UNPARSABLE', { message: 's2s=1 is missing.' });
  }
  const key = firstOf(event['write_key']);
  return {
    events: [without(event, keyNames)],
    sentAt: undefined,
    single: true,
    key: typeof key === 'string' ? key : null,
    toDraft: (element) => adjustDraft(element, path, parse),
    recoded: true,
  };
};

const fixedPaths: ReadonlySet<string> = new Set(['/event', '/session', '/install']);
const keyNames: ReadonlySet<string> = new Set(['write_key']);

function adjustDraft(element: unknown, path: string, parse?: (text: string) => unknown): Draft | null {
  const event = asObject(element);
  if (event === null) return null;
  const picker = createPicker(event);
  const { pick } = picker;
  const kind = kindOf(path);
  const [callback, partner] = ['callback_params', 'partner_params'].map(
    (name) => objectIn(event[name], parse) ?? pick(name),
  );
  const money = moneyOf(event['revenue'], event['currency']);
  const isPurchase = money['revenue_amount'] !== undefined;
  if (isPurchase) pick('revenue');
  if (money['revenue_currency'] !== undefined) pick('currency');
  for (const name of ['s2s', 'callback_params', 'partner_params']) pick(name);
  return {
    event_id: pick('deduplication_id', 'event_callback_id'),
    event_name: kind ?? event['event_token'],
    event_kind: kind ?? (isPurchase ? 'purchase' : undefined),
    environment: event['environment'] === 'sandbox' ? 'sandbox' : undefined,
    occurred_at: timeOf(pick('created_at_unix', 'created_at')),
    anonymous_id: pick('adid'),
    user_id: pick('external_device_id'),
    idfa: pick('idfa'),
    idfv: pick('idfv'),
    gaid: pick('gps_adid'),
    android_id: pick('android_id'),
    ip: pick('ip_address'),
    ...contextFields(event, picker, path),
    ...money,
    properties: propertiesWith(null, [['callback_params', callback], ['partner_params', partner], ...picker.rest()]),
  };
}

function kindOf(path: string): string | undefined {
  if (path === '/event') return undefined;
  if (path === '/session' || path === '/install') return path.slice(1);
  return path.startsWith('/impression/') ? 'impression' : 'click';
}

/** Seconds, or ISO 8601 with a zone after the letter Z, as Adjust writes it. */
function timeOf(time: unknown): unknown {
  return typeof time === 'string' ? time.replace(/Z([+-]\d{2}:?\d{2})$/, '$1') : time;
}

function contextFields(event: Json, { fit }: Picker, path: string): Json {
  const token = fixedPaths.has(path) ? undefined : path.slice(path.lastIndexOf('/') + 1);
  return {
    link_id: fitting('link_id', token),
    click_id: fit('click_id', 'click_id', 'reference_tag'),
    network: fit('network', 'network'),
    campaign_id: fit('campaign_id', 'campaign_id', 'campaign'),
    adgroup_id: fit('adgroup_id', 'adgroup_id', 'adgroup'),
    creative_id: fit('creative_id', 'creative_id', 'creative'),
    platform: fit('platform', 'os_name')?.toLowerCase(),
    os_version: fit('os_version', 'os_version'),
    app_version: fit('app_version', 'app_version'),
    device_model: fit('device_model', 'device_model', 'device_name'),
    locale: fit('locale', 'language'),
    country: countryOf(event['country']),
    user_agent: fit('user_agent', 'user_agent'),
    install_referrer: fit('install_referrer', 'install_referrer', 'referrer'),
  };
}

function answer(_decoded: unknown, { rejected }: Intake, request: CollectorRequest): CollectorResponse {
  const [fault] = rejected;
  if (!fault) return jsonAnswer(200, { status: 'OK' });
  const error = new CodedError(fault.code, { message: fault.message, details: { field: fault.field } });
  return errorResponse(error, request.requestId, 400);
}

export const adjustFormat: WireFormat = {
  sourceFormat: 'adjust',
  methods: ['GET', 'POST'],
  maxEventBytes: limits.eventBytes,
  decode: decodeAdjust,
  answer,
};
