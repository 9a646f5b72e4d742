import { newId } from '@tributary/schema';
import type { RelationalReader } from './client.ts';

export interface AuditedChange {
  readonly tenantId: string;
  /** A member's id, a key's id, or `system` (the command line, a seed). */
  readonly actor: string;
  /** `<noun>.<verb>` */
  readonly action: string;
  readonly subjectId: string;
  /** Small and public: never a key or its hash. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Writes down who changed what, in the change's own transaction. */
export async function recordAudit(transaction: RelationalReader, changes: readonly AuditedChange[]): Promise<void> {
  const at = new Date();
  await transaction.auditEntry.createMany({
    data: changes.map(({ details = {}, ...change }) => ({
      id: newId('audit'),
      ...change,
      details: jsonOf(details) as Record<string, string>,
      at,
    })),
  });
}

/** Fields whose values are told to nobody, nor written down twice: an entry says only that they changed. */
const secretFields = new Set(['hash', 'headerSealed', 'headerValue', 'key']);
/** The store's own book-keeping; says nothing to a reader. */
const silentFields = new Set(['id', 'tenantId', 'createdAt', 'updatedAt']);

/** What differs between two states of a row, as `{ field: { from, to } }`; secrets show as `***`. */
export function diffOf(
  before: Readonly<Record<string, unknown>> | null,
  after: Readonly<Record<string, unknown>> | null,
): Record<string, { readonly from: unknown; readonly to: unknown }> {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  const changes: Record<string, { from: unknown; to: unknown }> = {};
  for (const field of fields) {
    if (silentFields.has(field)) continue;
    const from = jsonOf(before?.[field] ?? null);
    const to = jsonOf(after?.[field] ?? null);
    if (JSON.stringify(from) === JSON.stringify(to)) continue;
    changes[field] = secretFields.has(field) ? { from: hidden(from), to: hidden(to) } : { from, to };
  }
  return changes;
}

const hidden = (value: unknown) => (value === null ? null : '***');

/** As JSON holds it: dates and decimals as text. */
export function jsonOf(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? 'null',
  );
}
