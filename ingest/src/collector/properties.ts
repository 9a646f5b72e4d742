import { limits } from '@tributary/schema';
import { FieldFault, type SortedDraft, slots } from './client-fields.ts';
import type { Draft } from './draft.ts';
import { isExact, isRawNumber } from './exact-numbers.ts';
import { embeddedText } from './json-text.ts';

/** The event holds a number that JSON.parse has rounded: the body must be parsed again, exactly. */
export const inexact = Symbol('inexact number');

const tooDeep = new FieldFault('properties', `nested deeper than ${limits.jsonDepth}`);
/** As eventSchema bounds it. */
const maxPropertiesChars = 1_000_000;

type Embedded = string | FieldFault | typeof inexact;

/**
 * The `properties` of an event as they stand between the quotes of a JSON text: what the client sent there, and beside it
 * every top-level field that has no home among the canonical ones, so that nothing is lost. A name that is taken gets an
 * underscore in front. `''` when there is nothing.
 */
export function propertiesText(draft: Draft, { values, extras }: SortedDraft, unescaped: boolean): Embedded {
  const given = values[slots.properties];
  if (given !== undefined && (typeof given !== 'object' || Array.isArray(given) || isRawNumber(given)))
    return new FieldFault('properties', 'properties must be an object');
  let text = given === undefined ? '{' : embed(given, 1, unescaped);
  if (typeof text !== 'string') return text;
  if (given !== undefined) text = text.slice(0, -1);
  if (extras.length > 0) {
    const taken = new Set(given === undefined ? [] : Object.keys(given as object));
    const next = new Map<string, string>();
    for (const name of extras) {
      const free = freeName(name, taken, next);
      if (draft[name] === undefined) continue;
      const value = embed(draft[name], 1, unescaped);
      if (typeof value !== 'string') return value;
      text += `${text === '{' ? '' : ','}${embeddedText(free)}:${value}`;
    }
  }
  if (text === '{') return '';
  text += '}';
  return text.length > maxPropertiesChars && (JSON.parse(`"${text}"`) as string).length > maxPropertiesChars
    ? new FieldFault('properties', `properties are over ${maxPropertiesChars} characters`, 'SIZE_VIOLATION')
    : text;
}

/**
 * The name with as many underscores in front as make it free, which is then taken. `next` says of taken names where to go on:
 * a chain of underscores is walked once, or an event of such names would cost seconds.
 */
export function freeName(name: string, taken: Set<string>, next: Map<string, string>): string {
  let free = name;
  const walked: string[] = [];
  while (taken.has(free)) {
    walked.push(free);
    free = next.get(free) ?? `_${free}`;
  }
  for (const step of walked) next.set(step, free);
  taken.add(free);
  return free;
}

/**
 * A JSON value → JSON, escaped once more since it becomes a text within JSON. Doing both at once costs half of two calls of
 * JSON.stringify. Looks no deeper than the limit, so that no input can exhaust the stack.
 */
function embed(value: unknown, depth: number, unescaped: boolean): Embedded {
  if (typeof value === 'string') return unescaped ? `\\"${value}\\"` : embeddedText(value);
  if (typeof value === 'number') return isExact(value) ? String(value) : inexact;
  if (value === null || typeof value !== 'object') return String(value);
  if (isRawNumber(value)) return value.rawJSON;
  if (depth > limits.jsonDepth) return tooDeep;
  return Array.isArray(value) ? embedArray(value, depth, unescaped) : embedObject(value as Draft, depth, unescaped);
}

function embedObject(object: Draft, depth: number, unescaped: boolean): Embedded {
  let text = '{';
  for (const name in object) {
    const value = object[name];
    if (value === undefined) continue;
    const inner = embed(value, depth + 1, unescaped);
    if (typeof inner !== 'string') return inner;
    if (text !== '{') text += ',';
    text = text + openingOf(name) + inner;
  }
  return `${text}}`;
}

/** The names of properties are few: their openings are kept, which spares a third of the pieces that a line is joined from. */
const openings = new Map<string, string>();
const maxOpenings = 2_000;

function openingOf(name: string): string {
  const known = openings.get(name);
  if (known !== undefined) return known;
  const opening = `${embeddedText(name)}:`;
  if (openings.size < maxOpenings && name.length < 100) openings.set(name, opening);
  return opening;
}

function embedArray(array: readonly unknown[], depth: number, unescaped: boolean): Embedded {
  let text = '[';
  for (let index = 0; index < array.length; index += 1) {
    const inner = embed(array[index] ?? null, depth + 1, unescaped);
    if (typeof inner !== 'string') return inner;
    text += index === 0 ? inner : `,${inner}`;
  }
  return `${text}]`;
}
