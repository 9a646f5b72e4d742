import type { Operation, Tenants } from './isolation-operations.testing.ts';
import { placeOf, type Share, shares, type TenantName } from './isolation-world.testing.ts';

const tenantNames: readonly TenantName[] = ['a', 'b'];

/** Marks of owners whose things an asker may see. */
function mayServe({ asker }: Operation): ReadonlySet<string> {
  const { tenant, key } = asker;
  const own = key === '1' || key === '2' ? [key] : shares;
  return new Set([...own, 'x'].map((share) => `${tenant}${share}`));
}

/** What is written in it as base64 (cursors) beside what can be read. */
function unfolded(text: string): string {
  const folded = text.match(/[A-Za-z0-9_-]{12,}/g) ?? [];
  return `${text}\n${folded.map((one) => Buffer.from(one, 'base64url').toString('latin1')).join('\n')}`;
}

/** What in an answer is not for the asker: marks, ids that were not asked, and digits of others in sums of money. */
export function leaksOf(operation: Operation, text: string, tenants: Tenants): readonly string[] {
  const allowed = mayServe(operation);
  const asked = unfolded(JSON.stringify(operation.question));
  const shown = unfolded(text);
  const marks = [...new Set(shown.match(/qx[ab][012x]/g) ?? [])].filter(
    (mark) => !allowed.has(mark.slice(2)) && !asked.includes(mark),
  );
  const ids = tenantNames.flatMap((name) =>
    (['x', ...shares] as const)
      .filter((share) => !allowed.has(`${name}${share}`))
      .flatMap((share) => Object.values(tenants[name].ids[share]).flat())
      .filter((id) => shown.includes(id) && !asked.includes(id)),
  );
  const sums = [...text.matchAll(/"(?:amount|revenue|conversionValue|cost)":"(\d+)/g)].map(([, digits]) =>
    BigInt(digits!),
  );
  const money = tenantNames.flatMap((name) =>
    shares.filter((share) => !allowed.has(`${name}${share}`) && sums.some((sum) => digitsOf(sum, name, share) > 0n)),
  );
  return [...marks, ...ids, ...money.map((share) => `money of ${share}`)];
}

const digitsOf = (sum: bigint, name: TenantName, share: Share) => (sum / 100n ** BigInt(placeOf(name, share))) % 100n;
