import type { Reach } from './catalogue-reader.ts';

/** What of a row says whose it is; other columns do not matter. */
interface OwnedRow {
  readonly tenantId?: unknown;
  readonly appId?: unknown;
}

function isWithin(reach: Reach, row: unknown): boolean {
  const { tenantId, appId } = (row ?? {}) as OwnedRow;
  if (tenantId !== reach.tenantId) return false;
  return typeof appId !== 'string' || reach.appIds === null || reach.appIds.includes(appId);
}

/**
 * The reader behind this subgraph's own wall: of the rows that the store gives, only those whose columns say that they are within
 * the reach. The statements hold the same conditions already; this stands apart from them, so that one that was forgotten there opens
 * nothing. Rows must carry `tenantId`, or they are nobody's. Functions whose first argument is no reach are passed on as they are.
 */
export function withOwnerWall<R extends object>(reader: R, unowned: readonly (keyof R)[] = []): R {
  const walled = Object.entries(reader).map(([name, read]) => {
    if (unowned.includes(name as keyof R)) return [name, read];
    const guarded = async (reach: Reach, ...rest: unknown[]) => {
      const rows = (await (read as (...args: unknown[]) => Promise<readonly unknown[]>)(reach, ...rest)) ?? [];
      return rows.filter((row) => isWithin(reach, row));
    };
    return [name, guarded];
  });
  return Object.fromEntries(walled) as R;
}
