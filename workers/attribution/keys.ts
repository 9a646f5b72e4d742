import { type DeviceIds, namesOneDevice } from '@tributary/subgraphs/attribution/domain';
import { z } from 'zod';

/** Zod form of `sharingDevice`'s parameters. */
export const deviceIdLists = {
  gaids: z.array(z.string()),
  idfas: z.array(z.string()),
  idfvs: z.array(z.string()),
  androidIds: z.array(z.string()),
  anonymousIds: z.array(z.string()),
};

/** Zod form of `deviceIdColumns`. */
export const deviceIdRow = {
  gaid: z.string(),
  idfa: z.string(),
  idfv: z.string(),
  androidId: z.string(),
  anonymousId: z.string(),
};

/** Zod form of `goalEventColumns`. */
export const goalEventRow = {
  ref: z.string(),
  kind: z.string(),
  name: z.string(),
  deviceKey: z.string(),
  ...deviceIdRow,
  clickId: z.string(),
  occurredAt: z.number(),
  insertedAt: z.number(),
  valueAmount: z.string(),
  valueCurrency: z.string(),
};

export interface DeviceIdLists extends Record<string, string[]> {
  readonly gaids: string[];
  readonly idfas: string[];
  readonly idfvs: string[];
  readonly androidIds: string[];
  readonly anonymousIds: string[];
}

/** The distinct ids of some events that name one device. */
export function deviceIdListsOf(events: Iterable<DeviceIds>): DeviceIdLists {
  const all = [...events];
  return {
    gaids: distinct(all.map((one) => one.gaid)),
    idfas: distinct(all.map((one) => one.idfa)),
    idfvs: distinct(all.map((one) => one.idfv)),
    androidIds: distinct(all.map((one) => one.androidId)),
    anonymousIds: distinct(all.map((one) => one.anonymousId)),
  };
}

/** Distinct texts that may be a key: neither empty nor all zeros. */
export function distinct(values: Iterable<string>): string[] {
  return [...new Set(values)].filter(namesOneDevice);
}

/** Keys under which an event is found again: one per id it carries, each kind apart. */
export function deviceKeysOf(ids: DeviceIds): string[] {
  const { gaid, idfa, idfv, androidId, anonymousId } = ids;
  const keys: string[] = [];
  for (const [kind, id] of [
    ['g', gaid],
    ['a', idfa],
    ['v', idfv],
    ['d', androidId],
    ['n', anonymousId],
  ] as const) {
    if (namesOneDevice(id)) keys.push(`${kind}:${id}`);
  }
  return keys;
}

/** Events by key, to join rows of two queries. Each event comes once from `find`, whichever keys lead to it. */
export function indexByKeys<T>(events: readonly T[], keysOf: (event: T) => readonly string[]) {
  const byKey = new Map<string, T[]>();
  for (const event of events) {
    for (const key of keysOf(event)) {
      const there = byKey.get(key);
      if (there) there.push(event);
      else byKey.set(key, [event]);
    }
  }
  return {
    find(keys: Iterable<string>): ReadonlySet<T> {
      const found = new Set<T>();
      for (const key of keys) for (const event of byKey.get(key) ?? []) found.add(event);
      return found;
    },
  };
}

/** What an event adds to lists of device ids. */
export const idsOf = ({ gaid, idfa, idfv, androidId, anonymousId }: DeviceIds): string[] => [
  gaid,
  idfa,
  idfv,
  androidId,
  anonymousId,
];
