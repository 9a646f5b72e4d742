import type { Reach } from './catalogue-reader.ts';

/** What of a row says whose it is; other columns do not matter. */
export interface OwnedRow {
  readonly tenantId?: unknown;
  readonly appId?: unknown;
  readonly partnerId?: unknown;
  readonly id?: unknown;
}

export interface OwnerWall<R> {
  /** Functions whose first argument is no reach, or whose answer is no rows: passed on as they are. */
  readonly unowned: readonly (keyof R)[];
  /** Whose of the partners a row is: an id, `null` = none's, `undefined` = all of them may see it. */
  readonly partnerOf: (read: keyof R, row: OwnedRow) => unknown;
}

/**
 * The reader behind this subgraph's own wall: of the rows that the store gives, only those whose columns say that they are within
 * the reach. The statements hold the same conditions already; this stands apart from them, so that one that was forgotten there opens
 * nothing. Rows must carry `tenantId`, or they are nobody's.
 */
export function withOwnerWall<R extends object>(reader: R, { unowned, partnerOf }: OwnerWall<R>): R {
  const isWithin = (reach: Reach, name: keyof R, row: OwnedRow) => {
    if (row.tenantId !== reach.tenantId) return false;
    if (typeof row.appId === 'string' && reach.appIds !== null && !reach.appIds.includes(row.appId)) return false;
    const partner = reach.partnerId === null ? undefined : partnerOf(name, row);
    return partner === undefined || partner === reach.partnerId;
  };
  const walled = Object.entries(reader).map(([key, read]) => {
    const name = key as keyof R;
    if (unowned.includes(name)) return [name, read];
    const guarded = async (reach: Reach, ...rest: unknown[]) => {
      const rows = await (read as (...args: unknown[]) => Promise<readonly OwnedRow[]>)(reach, ...rest);
      return rows.filter((row) => isWithin(reach, name, row));
    };
    return [name, guarded];
  });
  return Object.fromEntries(walled) as R;
}
