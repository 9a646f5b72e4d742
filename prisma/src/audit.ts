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
  readonly details?: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
}

/** Writes down who changed what, in the change's own transaction. */
export async function recordAudit(transaction: RelationalReader, changes: readonly AuditedChange[]): Promise<void> {
  const at = new Date();
  await transaction.auditEntry.createMany({
    data: changes.map(({ details = {}, ...change }) => ({
      id: newId('audit'),
      ...change,
      details: details as Record<string, string>,
      at,
    })),
  });
}
