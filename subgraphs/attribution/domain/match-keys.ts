import type { MatchKey } from '@tributary/schema';

/** Ids that tell one device from another, as events carry them; empty text = not told. */
export interface DeviceIds {
  readonly gaid: string;
  readonly idfa: string;
  readonly idfv: string;
  readonly androidId: string;
  readonly anonymousId: string;
}

export const deviceIdNames = [
  'gaid',
  'idfa',
  'idfv',
  'androidId',
  'anonymousId',
] as const satisfies readonly (keyof DeviceIds)[];

/** What an install can be matched by. */
export interface InstallKeys extends DeviceIds {
  readonly clickId: string;
  /** The click id in its install referrer; empty = none. */
  readonly referrerClickId: string;
}

/** What a touchpoint can be matched by. */
export interface TouchpointKeys extends DeviceIds {
  readonly clickId: string;
}

/** Strongest first: at equal time the install referrer outranks a click id, and that a device id. */
export const matchKeysByStrength = ['install_referrer', 'click_id', 'device_id'] as const satisfies readonly MatchKey[];

/** 0 = strongest. */
export function weaknessOf(key: MatchKey): number {
  return matchKeysByStrength.indexOf(key);
}

/**
 * Whether an id names one device. Systems answer all zeros where the person limits ad tracking: millions share that id, so
 * it matches nobody.
 */
export function namesOneDevice(id: string): boolean {
  return id !== '' && !/^[0-]+$/.test(id);
}

/** Whether two events share an id that names one device. Compared exactly, each id with its own kind. */
export function sharesDevice(a: DeviceIds, b: DeviceIds): boolean {
  return deviceIdNames.some((name) => a[name] === b[name] && namesOneDevice(a[name]));
}

/** The strongest key that ties a touchpoint to an install; null when nothing does. */
export function matchKeyOf(install: InstallKeys, touchpoint: TouchpointKeys): MatchKey | null {
  const { clickId } = touchpoint;
  if (clickId !== '' && clickId === install.referrerClickId) return 'install_referrer';
  if (clickId !== '' && clickId === install.clickId) return 'click_id';
  return sharesDevice(install, touchpoint) ? 'device_id' : null;
}
