import type { DeadLetter, ErrorCode } from '@tributary/schema';
import { z } from 'zod';
import { type LineRef, lineText } from './batch.ts';

const identitySchema = z.object({
  tenant_id: z.string(),
  app_id: z.string(),
  source_format: z.string(),
  event_id: z.string(),
  received_at: z.number(),
});

/** What says which event a canonical line is. */
export type LineIdentity = z.output<typeof identitySchema>;

/** Null when the line isn't a canonical event. */
export function parseLineIdentity(text: string): LineIdentity | null {
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * The dead letter of a line. Its id and time come from the line, so that a repeat of the batch writes the same row again
 * and the table keeps one.
 */
export function deadLetterOf(
  line: LineRef,
  identity: LineIdentity | null,
  reason: { readonly code: ErrorCode; readonly field: string; readonly message: string },
): DeadLetter {
  const { blockId, receivedAt, touched } = line.block.record.header;
  // A line that can't be read belongs to somebody all the same, where its block has one owner.
  const owner = touched.length === 1 ? touched[0] : undefined;
  return {
    tenant_id: identity?.tenant_id ?? owner?.tenantId ?? '',
    app_id: identity?.app_id ?? owner?.appId ?? '',
    dead_letter_id: `${blockId}-${line.index}`,
    stage: 'consumer',
    code: reason.code,
    field: reason.field,
    message: reason.message.toWellFormed(),
    source_format: identity?.source_format ?? '',
    // The engine refuses half of a surrogate pair, and a dead letter must never be refused.
    event_id: (identity?.event_id ?? '').toWellFormed(),
    received_at: identity?.received_at ?? receivedAt,
    payload: lineText(line),
  };
}
