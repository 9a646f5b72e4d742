import { CodedError, limits } from '@tributary/schema';
import { errorResponse, textAnswer } from '../answers.ts';
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
import { asObject, type Decode, keyInAuthorization, parseObject, type WireFormat } from './format.ts';

/** `/inappevent/:app`, and the s2s and c2s endpoints of clicks, impressions, first opens, sessions and events. */
export const appsflyerPath =
  /^\/(?:inappevent\/[^/]{1,200}|v1\.0\/[sc]2s\/(?:click|impression|first_open|session|inapp)\/app\/[^/]{1,50}\/[^/]{1,200})$/;

interface Place {
  readonly action: string;
  readonly platform: string | undefined;
  readonly app: string;
}

function placeOf(path: string): Place {
  const parts = path.split('/').map(decoded);
  return parts[1] === 'inappevent'
    ? { action: 'inappevent', platform: undefined, app: parts[2] ?? '' }
    : { action: parts[3] ?? '', platform: parts[5], app: parts[6] ?? '' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * AppsFlyer's server-to-server posts: one event a request, its app in the path, the query beside or instead of the body.
 * docs/formats/appsflyer.md has the mapping.
 */
export const decodeAppsflyer: Decode = ({ text, path, query }, parse) => {
  const place = placeOf(path);
  const pairs = pairsOf(query);
  if (text === '' && query === '') throw new CodedError('BODY_EMPTY');
  const event = { ...pairs, ...(text === '' ? {} : parseObject(text, parse)) };
  const key = pairs['write_key'];
  return {
    events: [without(event, keyNames)],
    sentAt: undefined,
    single: true,
    key: typeof key === 'string' ? key : null,
    toDraft: (element) => appsflyerDraft(element, place, parse),
    recoded: true,
  };
};

const keyNames: ReadonlySet<string> = new Set(['write_key']);

const kindByAction: ReadonlyMap<string, string> = new Map(
  Object.entries({
    click: 'click',
    impression: 'impression',
    first_open: 'install',
    session: 'session',
  }),
);
const kindByName: ReadonlyMap<string, string> = new Map(
  Object.entries({
    af_purchase: 'purchase',
    af_subscribe: 'purchase',
    af_ad_view: 'ad_revenue',
    af_login: 'identify',
  }),
);

function appsflyerDraft(
  element: unknown,
  { action, platform, app }: Place,
  parse?: (text: string) => unknown,
): Draft | null {
  const event = asObject(element);
  if (event === null) return null;
  const picker = createPicker(event);
  const { pick, fit } = picker;
  const value = parametersOf(event, picker, parse);
  const kind = kindByAction.get(action);
  const name = kind ?? pick('eventName', 'event_name');
  const { known, other } = idsOf(event, picker);
  return {
    event_id: pick('request_id', 'af_request_id'),
    event_name: name,
    event_kind: kind ?? kindByName.get(plainText(name)),
    occurred_at: pick('eventTime', 'timestamp'),
    user_id: pick('customer_user_id'),
    anonymous_id: pick('appsflyer_id') ?? other,
    ...known,
    ip: pick('ip', 'af_ip'),
    click_id: fit('click_id', 'af_click_id', 'clickid'),
    platform: fitting('platform', platform)?.toLowerCase() ?? platformOf(known),
    ...campaignFields(event, picker),
    ...deviceFields(picker),
    ...moneyOf(
      firstOf(value?.['af_revenue'], event['event_revenue']),
      firstOf(event['eventCurrency'], value?.['af_currency'], event['event_revenue_currency']),
    ),
    properties: propertiesWith(value, [['appsflyer_app_id', app], ...picker.rest()]),
  };
}

/** `eventValue` is JSON as text; the newer endpoints have two objects. What can't be read is left where it was. */
function parametersOf(event: Json, { pick }: Picker, parse?: (text: string) => unknown): Json | null {
  let all: Json = {};
  let hasSome = false;
  for (const name of ['eventValue', 'event_custom_parameters', 'event_parameters']) {
    const parameters = objectIn(event[name], parse);
    if (parameters === null) continue;
    pick(name);
    all = { ...all, ...parameters };
    hasSome = true;
  }
  return hasSome ? all : null;
}

const idTypes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    idfa: 'idfa',
    idfv: 'idfv',
    advertising_id: 'gaid',
    gaid: 'gaid',
    android_id: 'android_id',
  }),
);

interface Ids {
  readonly known: Json;
  /** An id of a kind that has no field: of a console or television. */
  readonly other: unknown;
}

function idsOf(event: Json, { pick }: Picker): Ids {
  const known: Record<string, unknown> = {};
  for (const [name, field] of idTypes) known[field] ??= pick(name);
  const list = Array.isArray(event['device_ids']) ? event['device_ids'].map(asObject) : [];
  list.push({ type: event['af_device_id_type'], value: event['af_device_id_value'] });
  let other: unknown;
  for (const id of list) {
    const field = idTypes.get(plainText(id?.['type']).toLowerCase());
    if (field === undefined) other ??= firstOf(id?.['value']);
    else known[field] ??= firstOf(id?.['value']);
  }
  return { known, other };
}

function platformOf(ids: Json): string | undefined {
  if (ids['idfa'] !== undefined || ids['idfv'] !== undefined) return 'ios';
  return ids['gaid'] !== undefined || ids['android_id'] !== undefined ? 'android' : undefined;
}

/** Names of the links (`pid`, `c`) and of the engagement endpoints. */
function campaignFields(event: Json, { fit }: Picker): Json {
  return {
    network: fit('network', 'af_media_source', 'pid'),
    medium: fit('medium', 'af_channel'),
    campaign_id: fit('campaign_id', 'af_campaign_id', 'af_c_id'),
    adgroup_id: fit('adgroup_id', 'af_ad_set_id', 'af_adset_id'),
    creative_id: fit('creative_id', 'af_ad_id'),
    keyword: fit('keyword', 'af_keywords'),
    site_id: fit('site_id', 'af_site_id', 'af_siteid'),
    country: countryOf(event['country_code']),
  };
}

function deviceFields({ fit }: Picker): Json {
  return {
    os_version: fit('os_version', 'device_os_version', 'af_os_version', 'os'),
    app_version: fit('app_version', 'app_version', 'app_version_name'),
    device_model: fit('device_model', 'device_model', 'af_model'),
    locale: fit('locale', 'af_lang'),
    user_agent: fit('user_agent', 'user_agent', 'af_ua'),
  };
}

/** One event: its sender is told when it was refused, as AppsFlyer does. */
function answer(_decoded: unknown, { rejected }: Intake, request: CollectorRequest): CollectorResponse {
  const [fault] = rejected;
  if (fault)
    return errorResponse(
      new CodedError(fault.code, { message: fault.message, details: { field: fault.field } }),
      request.requestId,
      400,
    );
  const isAccepted = request.path.startsWith('/v1.0/') && !/\/(click|impression)\//.test(request.path);
  return textAnswer(isAccepted ? 202 : 200, 'ok');
}

export const appsflyerFormat: WireFormat = {
  sourceFormat: 'appsflyer',
  methods: ['GET', 'POST'],
  maxEventBytes: limits.eventBytes,
  keyOf: (request) => request.header('authentication')?.trim() ?? keyInAuthorization(request),
  decode: decodeAppsflyer,
  answer,
};
