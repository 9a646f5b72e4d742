import { deviceIdFields } from '@tributary/schema';
import { FieldFault, slots, textFields, textOf } from '../client-fields.ts';
import { type FlagBits, flagBit, noFlags } from '../flags.ts';
import type { AppPolicy } from './app-policy.ts';
import { deniesConsent } from './consent.ts';

/** Some apps name an installation by its device id. */
const personSlots = [slots.anonymous_id, slots.user_id];
const deviceSlots = deviceIdFields.map((name) => ({ name, slot: slots[name], max: textFields[name] }));

/**
 * Applies consent and the hashing of device ids to an event's values, in place, and says by flags what was done. Where consent
 * is denied and required, device ids, address and user agent are gone; `anonymous_id` and `user_id` are the app's own and
 * stay, unless they are one of the device ids.
 * Ids that are no fit texts stay as they are, to be refused.
 */
export function applyPrivacy(values: unknown[], policy: AppPolicy, hash: (id: string) => string): FlagBits {
  if (policy.needsConsent && deniesConsent(values[slots.consent])) {
    for (const { slot } of deviceSlots) replaceId(values, slot, undefined);
    values[slots.ip] = undefined;
    values[slots.user_agent] = undefined;
    return flagBit('consent_denied');
  }
  if (!policy.hashesDeviceIds) return noFlags;
  let flags = noFlags;
  for (const { name, slot, max } of deviceSlots) {
    const value = values[slot];
    if (value === undefined) continue;
    const text = textOf(value, name, max);
    if (text instanceof FieldFault) continue;
    replaceId(values, slot, hash(text.toWellFormed()));
    flags = flagBit('ids_hashed');
  }
  return flags;
}

function replaceId(values: unknown[], slot: number, by: string | undefined): void {
  const id = values[slot];
  if (id === undefined) return;
  for (const person of personSlots) if (values[person] === id) values[person] = by;
  values[slot] = by;
}

/** What a dead letter may hold of a refused event's ids and address: as `applyPrivacy`, in the text of what was sent. */
export function maskPayload(
  payload: string,
  draft: Readonly<Record<string, unknown>> | null,
  policy: AppPolicy,
  hash: (id: string) => string,
): string {
  if (draft === null || !(policy.hashesDeviceIds || policy.needsConsent)) return payload;
  const isDenied = policy.needsConsent && deniesConsent(draft['consent']);
  if (!isDenied && !policy.hashesDeviceIds) return payload;
  let masked = payload;
  for (const name of isDenied ? [...deviceIdFields, 'ip', 'user_agent'] : deviceIdFields) {
    const value = draft[name];
    if (typeof value !== 'string' || value === '') continue;
    const inText = JSON.stringify(value);
    masked = masked.replaceAll(inText, isDenied ? '""' : JSON.stringify(hash(value.toWellFormed())));
  }
  return masked;
}
