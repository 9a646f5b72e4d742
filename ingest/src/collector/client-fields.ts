import { decimalPattern, environments, eventKinds, kindByEventName } from '@tributary/schema';
import { jsonText } from './json-text.ts';

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

const textEntries = Object.entries(textFields);

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

export const clientFields: ReadonlySet<string> = new Set([...Object.keys(textFields), ...formedFields]);

/** A field that does not fit: its name and what is wanted of it. */
export class FieldFault {
  readonly field: string;
  readonly message: string;
  constructor(field: string, message: string) {
    this.field = field;
    this.message = message;
  }
}

/** Empty texts and null mean absent. Whole numbers are taken as the text of an id; other types are faults. */
export function textOf(value: unknown, field: string, max: number): string | FieldFault | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const text =
    typeof value === 'string' ? value : typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : null;
  if (text === null) return new FieldFault(field, `${field} must be a text`);
  return text.length <= max ? text : new FieldFault(field, `${field} is over ${max} characters`);
}

/** All text fields as JSON members, each with a leading comma. */
export function textMembers(draft: Readonly<Record<string, unknown>>): string | FieldFault {
  let members = '';
  for (const [field, max] of textEntries) {
    const value = draft[field];
    if (value === undefined || value === null) continue;
    const text = textOf(value, field, max);
    if (text instanceof FieldFault) return text;
    if (text !== undefined) members += `,"${field}":${jsonText(text)}`;
  }
  return members;
}

const kinds: ReadonlySet<string> = new Set(eventKinds);
const environmentNames: ReadonlySet<string> = new Set(environments);

export function kindOf(draft: Readonly<Record<string, unknown>>, eventName: string): string | FieldFault {
  const given = draft['event_kind'];
  if (given === undefined || given === null)
    return Object.hasOwn(kindByEventName, eventName) ? kindByEventName[eventName]! : 'custom';
  return typeof given === 'string' && kinds.has(given)
    ? given
    : new FieldFault('event_kind', `event_kind must be one of ${eventKinds.join(', ')}`);
}

/** Members of fields with a fixed form: environment, country and money. */
export function formedMembers(draft: Readonly<Record<string, unknown>>, appCurrency: string): string | FieldFault {
  let members = '';
  const environment = draft['environment'];
  if (environment !== undefined && environment !== null) {
    if (typeof environment !== 'string' || !environmentNames.has(environment))
      return new FieldFault('environment', 'environment must be production or sandbox');
    members += `,"environment":"${environment}"`;
  }
  const country = draft['country'];
  if (country !== undefined && country !== null && country !== '') {
    if (typeof country !== 'string' || !/^[A-Za-z]{2}$/.test(country))
      return new FieldFault('country', 'country must be two letters (ISO 3166-1)');
    members += `,"country":"${country.toUpperCase()}"`;
  }
  const money = moneyMembers(draft['revenue_amount'], draft['revenue_currency'], appCurrency);
  return money instanceof FieldFault ? money : members + money;
}

/** Amounts are decimal texts; a JSON number is taken by its shortest text, never computed with. No currency = the app's. */
function moneyMembers(amount: unknown, currency: unknown, appCurrency: string): string | FieldFault {
  if (amount === undefined || amount === null || amount === '') return '';
  const text = typeof amount === 'number' ? String(amount) : amount;
  if (typeof text !== 'string' || !decimalPattern.test(text)) {
    return new FieldFault(
      'revenue_amount',
      'revenue_amount must be a decimal of up to 18 digits and 6 decimals, best sent as a text',
    );
  }
  const code = currency === undefined || currency === null || currency === '' ? appCurrency : currency;
  if (typeof code !== 'string' || !/^[A-Za-z]{3}$/.test(code))
    return new FieldFault('revenue_currency', 'revenue_currency must be three letters (ISO 4217)');
  return `,"revenue_amount":"${text}","revenue_currency":"${code.toUpperCase()}"`;
}
