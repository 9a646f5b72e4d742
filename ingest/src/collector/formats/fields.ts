import { CodedError, decimalPattern } from '@tributary/schema';
import { type TextField, textFields } from '../client-fields.ts';
import { asObject } from './format.ts';

export type Json = Readonly<Record<string, unknown>>;

/**
 * What doesn't fit (a text over the bound, an object where a text is expected) is left out: vendors allow any value there,
 * an event is not lost over it, and the value stays in the properties.
 */
export function fitting(field: TextField, value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= textFields[field] ? value : undefined;
}

/** `name/version` of an SDK. */
export function sdkOf(name: unknown, version: unknown): string | undefined {
  return fitting('sdk', [name, version].filter((text) => typeof text === 'string' && text !== '').join('/'));
}

/** A text or number as text, anything else as nothing: objects may have a `toString` of the sender's making. */
export function plainText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? String(value) : '';
}

/** The first of the values that is there. */
export function firstOf(...values: readonly unknown[]): unknown {
  return values.find((value) => value !== undefined && value !== null && value !== '');
}

/** An amount that is a plain decimal, and a currency of three letters; what is neither stays a property alone. */
export function moneyOf(amount: unknown, currency: unknown): Json {
  if (typeof amount !== 'number' && typeof amount !== 'string') return {};
  if (!decimalPattern.test(String(amount))) return {};
  return {
    revenue_amount: String(amount),
    revenue_currency: typeof currency === 'string' && /^[A-Za-z]{3}$/.test(currency) ? currency : undefined,
  };
}

/** Two letters, or nothing. */
export function countryOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z]{2}$/.test(value) ? value : undefined;
}

/**
 * An id that may stand for a person or for an installation, beside those that say which they are. Without them it is taken
 * for the person's: that is what a server sends.
 */
export function subjectsOf(distinctId: unknown, deviceId: unknown, userId: unknown): Json {
  const device = firstOf(deviceId);
  const person = firstOf(userId, distinctId === device ? undefined : distinctId);
  return { anonymous_id: device, user_id: person };
}

/** The properties, and beside them what has no home; a name that is taken gets underscores in front. */
export function propertiesWith(own: Json | null, rest: Iterable<readonly [name: string, value: unknown]>): Json {
  const kept: Record<string, unknown> = { ...own };
  for (const [name, value] of rest) {
    if (value === undefined) continue;
    let free = name;
    while (Object.hasOwn(kept, free)) free = `_${free}`;
    // A plain assignment would take a field named __proto__ for the prototype.
    Object.defineProperty(kept, free, { value, enumerable: true, configurable: true, writable: true });
  }
  return kept;
}

/** All fields but the named ones. */
export function without(object: Json, names: ReadonlySet<string>): Json {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name)));
}

/** Pairs of a query or form as an object of texts; of a name that comes twice the first one counts. */
export function pairsOf(query: string): Json {
  const pairs = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) if (!pairs.has(name)) pairs.set(name, value);
  return Object.fromEntries(pairs);
}

/**
 * The value of one name of a query or form, as base64 needs it: some SDKs send base64 without escaping its plus signs,
 * which a form reader would take for spaces.
 */
export function rawValueOf(form: string, name: string): string | undefined {
  const pair = form.split('&').find((part) => part.startsWith(`${name}=`));
  if (pair === undefined) return undefined;
  try {
    return decodeURIComponent(pair.slice(name.length + 1));
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: `${name} is not well encoded.`, cause: error });
  }
}

/** JSON as it is or in base64 (with or without the URL's alphabet). Throws BODY_UNPARSABLE. */
export function parsePacked(text: string, parse: (text: string) => unknown = JSON.parse): unknown {
  const trimmed = text.trim();
  const json = /^[[{]/.test(trimmed) ? trimmed : Buffer.from(trimmed.replaceAll(' ', '+'), 'base64').toString('utf8');
  try {
    return parse(json);
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: 'The data is neither JSON nor JSON in base64.', cause: error });
  }
}

/** JSON within a field: its value, or undefined where it is none. */
export function parseInner(text: unknown, parse: (text: string) => unknown = JSON.parse): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** An object that may be sent as JSON text. */
export function objectIn(value: unknown, parse?: (text: string) => unknown): Json | null {
  return asObject(value) ?? asObject(parseInner(value, parse));
}

/** Takes fields out of an object, so that what nobody took can be kept under its own name. */
export interface Picker {
  /** The first of the named fields that is there; it counts as taken. */
  pick(...names: readonly string[]): unknown;
  /** As `pick`, for a text field; what doesn't fit is not taken. */
  fit(field: TextField, ...names: readonly string[]): string | undefined;
  /** What was not taken. */
  rest(): (readonly [name: string, value: unknown])[];
}

export function createPicker(object: Json): Picker {
  const taken = new Set<string>();
  const find = (names: readonly string[]): string | undefined =>
    names.find((name) => firstOf(object[name]) !== undefined);
  return {
    pick(...names) {
      const name = find(names);
      if (name === undefined) return undefined;
      taken.add(name);
      return object[name];
    },
    fit(field, ...names) {
      const name = find(names);
      const text = name === undefined ? undefined : fitting(field, object[name]);
      if (text !== undefined) taken.add(name!);
      return text;
    },
    rest: () => Object.entries(object).filter(([name]) => !taken.has(name)),
  };
}
