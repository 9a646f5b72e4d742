import { type EventFlag, eventFlags } from '@tributary/schema';

/** A set of event flags, a bit each in the order of `eventFlags`. */
export type FlagBits = number;

export const noFlags: FlagBits = 0;

const bits = Object.fromEntries(eventFlags.map((flag, index) => [flag, 1 << index])) as Record<EventFlag, FlagBits>;

export function flagBit(flag: EventFlag): FlagBits {
  return bits[flag];
}

const members = Array.from({ length: 1 << eventFlags.length }, (_, set) => {
  const flags = eventFlags.filter((flag) => (set & bits[flag]) !== 0);
  return flags.length === 0 ? '' : `,"flags":["${flags.join('","')}"]`;
});

/** The set as a JSON member with its comma; `''` when empty. */
export function flagsMember(flags: FlagBits): string {
  return members[flags]!;
}
