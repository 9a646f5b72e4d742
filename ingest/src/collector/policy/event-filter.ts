import { hash64, type IntakePolicy } from '@tributary/schema';
import { splitHash } from '../hash-bytes.ts';

/** Why an event that was answered as accepted is not stored. */
export type FilterVerdict = 'kept' | 'blocked' | 'sampled_out';

export type EventFilter = (eventName: string, deviceKey: string) => FilterVerdict;

const whole = 4_294_967_296;

/**
 * Blocked event names and sampling of an app; null when it has neither. A device has one place between 0 and 1, the same for
 * all event names of the app and in every process: of two names kept at 0.1 and 0.5 the first one's devices are among the
 * second one's.
 */
export function createEventFilter(
  appId: string,
  { blockedEvents, sampling }: Pick<IntakePolicy, 'blockedEvents' | 'sampling'>,
): EventFilter | null {
  const blocked = new Set(blockedEvents);
  const keptOf = new Map(sampling.filter(({ keep }) => keep < 1).map(({ eventName, keep }) => [eventName, keep]));
  if (blocked.size === 0 && keptOf.size === 0) return null;
  return (eventName, deviceKey) => {
    if (blocked.has(eventName)) return 'blocked';
    const keep = keptOf.get(eventName);
    return keep === undefined || placeOf(appId, deviceKey) < keep ? 'kept' : 'sampled_out';
  };
}

/** Where a device stands between 0 and 1 (1 excluded). */
export function placeOf(appId: string, deviceKey: string): number {
  return splitHash(hash64(`sampling\u001f${appId}\u001f${deviceKey.toWellFormed()}`)).high / whole;
}
