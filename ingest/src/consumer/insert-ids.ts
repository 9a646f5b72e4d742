import { randomUUID } from 'node:crypto';

/** Query ids of a group's inserts: `consumer-<group>-p<partitions>-<uuid>`. */
export interface InsertIds {
  /** By which all inserts of the group, also those of a predecessor, are ended. */
  readonly prefix: string;
  next(partitions: readonly number[]): string;
}

export function createInsertIds(group: string): InsertIds {
  const prefix = `consumer-${group}-`;
  return {
    prefix,
    next(partitions) {
      const named = [...new Set(partitions)].sort((left, right) => left - right);
      // A query id is shown in logs; 256 partitions would make it unreadable.
      return `${prefix}p${named.length <= 8 ? named.join('.') : `${named[0]}..${named.at(-1)}`}-${randomUUID()}`;
    },
  };
}
