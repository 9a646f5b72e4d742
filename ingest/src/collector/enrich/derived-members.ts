import { type FieldValues, slots } from '../client-fields.ts';
import { type KnownAgent, type KnownPlace, memberOf } from './enrichment.ts';

/**
 * Country, region and city by the address, where the client said no country: its own word wins, and a place is not made of
 * two. They stand apart from what the client said, so that a repeat from another network is still the same event.
 */
export function placeMembers(values: FieldValues, known: KnownPlace, isDenied: boolean): string {
  if (known.whole === '' || values[slots.country] !== undefined) return '';
  return isDenied || values[slots.region] !== undefined || values[slots.city] !== undefined
    ? known.country
    : known.whole;
}

/** Platform, system version and model by the user agent, each where the client said none and named no other platform. */
export function agentMembers(values: FieldValues, { facts, whole }: KnownAgent): string {
  if (whole === '') return '';
  const platform = values[slots.platform];
  const osVersion = values[slots.os_version];
  const deviceModel = values[slots.device_model];
  if (platform === undefined && osVersion === undefined && deviceModel === undefined) return whole;
  if (typeof platform === 'string' && platform.toLowerCase() !== facts.platform) return '';
  return (
    (platform === undefined ? memberOf('platform', facts.platform) : '') +
    (osVersion === undefined ? memberOf('os_version', facts.osVersion) : '') +
    (deviceModel === undefined ? memberOf('device_model', facts.deviceModel) : '')
  );
}
