import { limits, serverMadeFields } from '@tributary/schema';
import { clientFields, FieldFault } from './client-fields.ts';
import { isDeeperThan } from './json-text.ts';

const serverMade: ReadonlySet<string> = new Set(serverMadeFields);

/**
 * The `properties` of an event as JSON text: what the client sent there, and beside it every top-level field that has no
 * home among the canonical ones, so that nothing is lost. A name that is taken gets an underscore in front. Fields that the
 * collector makes itself are dropped: a client can't set them. `''` when there is nothing.
 */
export function propertiesText(draft: Readonly<Record<string, unknown>>): string | FieldFault {
  const given = draft['properties'];
  if (given !== undefined && given !== null && (typeof given !== 'object' || Array.isArray(given))) {
    return new FieldFault('properties', 'properties must be an object');
  }
  if (isDeeperThan(draft, limits.jsonDepth))
    return new FieldFault('properties', `nested deeper than ${limits.jsonDepth}`);
  let extra = '';
  for (const name of Object.keys(draft)) {
    if (clientFields.has(name) || serverMade.has(name)) continue;
    const text = JSON.stringify(draft[name]);
    if (text === undefined) continue;
    let free = name;
    while (given && Object.hasOwn(given, free)) free = `_${free}`;
    extra += `${extra === '' ? '' : ','}${JSON.stringify(free)}:${text}`;
  }
  const own = given ? JSON.stringify(given) : '{}';
  if (extra === '') return own === '{}' ? '' : own;
  return own === '{}' ? `{${extra}}` : `${own.slice(0, -1)},${extra}}`;
}
