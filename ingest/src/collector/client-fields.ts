import {
  decimalPattern,
  deviceIdFields,
  type ErrorCode,
  environments,
  eventKinds,
  kindByEventName,
  serverMadeFields,
} from '@tributary/schema';
import type { Draft } from './draft.ts';
import { isExact, isRawNumber } from './exact-numbers.ts';
import { escaped } from './json-text.ts';

/**
 * The client's text fields in the order in which they are written, with their longest length. Held against eventSchema by
 * a test: every one of them is a field there, with the same bound.
 */
export const textFields = {
  anonymous_id: 256,
  user_id: 256,
  idfa: 64,
  idfv: 64,
  gaid: 64,
  android_id: 64,
  network: 200,
  source: 200,
  medium: 200,
  campaign_id: 200,
  adgroup_id: 200,
  creative_id: 200,
  keyword: 500,
  site_id: 200,
  link_id: 64,
  click_id: 200,
  install_referrer: 2000,
  referrer: 2000,
  url: 2000,
  platform: 50,
  os_version: 50,
  app_version: 50,
  sdk: 100,
  device_model: 100,
  locale: 35,
  timezone: 64,
  region: 100,
  city: 100,
  user_agent: 1000,
  consent: 200,
} as const;

export type TextField = keyof typeof textFields;

/** Fields with a form of their own; beside the text fields these are what a client may send. */
export const formedFields = [
  'event_id',
  'event_name',
  'event_kind',
  'environment',
  'occurred_at',
  'sent_at',
  'install_begin_at',
  'country',
  'ip',
  'revenue_amount',
  'revenue_currency',
  'properties',
] as const;

export type ClientField = TextField | (typeof formedFields)[number];

/** A field that does not fit: its name (empty where no single one is at fault) and what is wanted of it. */
export class FieldFault {
  readonly field: string;
  readonly message: string;
  readonly code: ErrorCode;
  constructor(field: string, message: string, code: ErrorCode = 'SCHEMA_VIOLATION') {
    this.field = field;
    this.message = message;
    this.code = code;
  }
}

/** Where a key may travel in a body. Keys are secrets: they are stored nowhere. */
export const keyFields = ['writeKey', 'write_key'] as const;

const texts = Object.entries(textFields).map(([name, max]) => ({ name, max, opening: `","${name}":"` }));
const names = [...Object.keys(textFields), ...formedFields, 'app_id'];
/** Where each field's value stands in `FieldValues`; the text fields come first. */
export const slots = Object.fromEntries(names.map((name, index) => [name, index])) as Readonly<
  Record<ClientField | 'app_id', number>
>;
/** What a client can't set stands in no slot and is no extra either. */
const dropped = -1;
const slotByName: ReadonlyMap<string, number> = new Map([
  ...keyFields.map((name) => [name, dropped] as const),
  ...serverMadeFields.map((name) => [name, dropped] as const),
  ...names.map((name, index) => [name, index] as const),
]);

const deviceIdSlots = deviceIdFields.map((name) => slots[name]);

/** By slot; undefined = absent. */
export type FieldValues = readonly unknown[];

export interface SortedDraft {
  /** This event's own: the privacy policy changes it before the line is built. */
  readonly values: unknown[];
  /** Names that have no home among the canonical ones. */
  readonly extras: readonly string[];
  /** A canonical field holds a number that JSON.parse has rounded. */
  readonly isRounded: boolean;
}

const noValues: unknown[] = names.map(() => undefined);
const noExtras: readonly string[] = [];

/** What a phone reports as its advertising id while tracking is off: no id, and the same for everybody. */
export function isBlankId(text: string): boolean {
  return text.charCodeAt(0) === 48 && /^[0-]+$/.test(text);
}

/**
 * One pass over what the client sent: asking for each of forty names instead costs more than all else that is done to an
 * event. Null and the empty text mean absent, a device id of zeros too.
 */
export function sortDraft(draft: Draft): SortedDraft {
  const values = noValues.slice();
  let extras: string[] | null = null;
  let isRounded = false;
  for (const name in draft) {
    const slot = slotByName.get(name);
    const value = draft[name];
    if (slot === undefined) {
      extras ??= [];
      extras.push(name);
    } else if (slot !== dropped && value !== null && value !== '') {
      values[slot] = value;
      if (typeof value === 'number' && !isExact(value)) isRounded = true;
    }
  }
  for (const slot of deviceIdSlots) {
    const value = values[slot];
    if (typeof value === 'string' && isBlankId(value)) values[slot] = undefined;
  }
  return { values, extras: extras ?? noExtras, isRounded };
}

/** Whole numbers are taken as the text of an id; other types are faults. */
export function textOf(value: unknown, field: string, max: number): string | FieldFault {
  let text: string;
  if (typeof value === 'string') text = value;
  else if (typeof value === 'number' && Number.isSafeInteger(value)) text = String(value);
  else if (isRawNumber(value) && /^-?\d+$/.test(value.rawJSON)) text = value.rawJSON;
  else return new FieldFault(field, `${field} must be a text`);
  return text.length <= max ? text : new FieldFault(field, `${field} is over ${max} characters`);
}

/**
 * All text fields as JSON members. Each begins with the quote that ends the text before it, and the last one is left open:
 * that spares a third of the pieces that a line is joined from.
 */
export function textMembers(values: FieldValues, unescaped: boolean): string | FieldFault {
  let members = '';
  for (let index = 0; index < texts.length; index += 1) {
    const value = values[index];
    if (value === undefined) continue;
    const { name, max, opening } = texts[index]!;
    const text = textOf(value, name, max);
    if (text instanceof FieldFault) return text;
    members = members + opening + (unescaped ? text : escaped(text));
  }
  return members;
}

const subjects = (['anonymous_id', ...deviceIdFields, 'user_id'] as const).map((name) => ({
  name,
  slot: slots[name],
  max: textFields[name],
}));

/** anonymous_id, else the first device id, else user_id. SUBJECT_MISSING when none is there. */
export function deviceKeyOf(values: FieldValues): string | FieldFault {
  for (const { name, slot, max } of subjects) {
    const value = values[slot];
    if (value !== undefined) return textOf(value, name, max);
  }
  return new FieldFault(
    '',
    'one of anonymous_id, user_id or a device id (idfv, gaid, idfa, android_id) is required',
    'SUBJECT_MISSING',
  );
}

const kinds: ReadonlySet<string> = new Set(eventKinds);
const kindByName: ReadonlyMap<string, string> = new Map(Object.entries(kindByEventName));
const environmentNames: ReadonlySet<string> = new Set(environments);

/** The kind that the client says, else the one of its name, else `custom`. */
export function kindOf(values: FieldValues, eventName: string): string | FieldFault {
  const given = values[slots.event_kind];
  if (given === undefined) return kindByName.get(eventName) ?? 'custom';
  return typeof given === 'string' && kinds.has(given)
    ? given
    : new FieldFault('event_kind', `event_kind must be one of ${eventKinds.join(', ')}`);
}

/** Members of fields with a fixed form: environment, country and money. */
export function formedMembers(values: FieldValues, appCurrency: string): string | FieldFault {
  let members = '';
  const environment = values[slots.environment];
  if (environment !== undefined) {
    if (typeof environment !== 'string' || !environmentNames.has(environment))
      return new FieldFault('environment', 'environment must be production or sandbox');
    members += `,"environment":"${environment}"`;
  }
  const country = values[slots.country];
  if (country !== undefined) {
    if (typeof country !== 'string' || !/^[A-Za-z]{2}$/.test(country))
      return new FieldFault('country', 'country must be two letters (ISO 3166-1)');
    members += `,"country":"${country.toUpperCase()}"`;
  }
  const money = moneyMembers(values[slots.revenue_amount], values[slots.revenue_currency], appCurrency);
  return money instanceof FieldFault ? money : members + money;
}

/** Amounts are decimal texts; a JSON number is taken by its shortest text, never computed with. No currency = the app's. */
function moneyMembers(amount: unknown, currency: unknown, appCurrency: string): string | FieldFault {
  if (amount === undefined) return '';
  const text = typeof amount === 'number' ? String(amount) : isRawNumber(amount) ? amount.rawJSON : amount;
  // A double holds 15 digits of any number; of more, some may already be others than were sent.
  const isRounded = typeof amount === 'number' && String(text).replace(/\D/g, '').length > 15;
  if (typeof text !== 'string' || isRounded || !decimalPattern.test(text)) {
    return new FieldFault(
      'revenue_amount',
      'revenue_amount must be a decimal of up to 18 digits and 6 decimals, best sent as a text',
    );
  }
  const code = currency ?? appCurrency;
  if (typeof code !== 'string' || !/^[A-Za-z]{3}$/.test(code))
    return new FieldFault('revenue_currency', 'revenue_currency must be three letters (ISO 4217)');
  return `,"revenue_amount":"${text}","revenue_currency":"${code.toUpperCase()}"`;
}
