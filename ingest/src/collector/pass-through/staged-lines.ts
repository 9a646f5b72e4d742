import type { PendingLine } from '../draft.ts';
import type { LineCore } from './line-core.ts';

/**
 * Lines of the short way. They stand in memory that the next request writes over: they are added to blocks at once, or made
 * to last.
 */
export interface StagedLines {
  readonly tenantId: string;
  readonly appId: string;
  readonly length: number;
  /** Of all lines, without what their blocks add. */
  readonly bytes: number;
  /** Where they are. Throws when they have been written over. */
  staged(): { readonly core: LineCore; readonly at: number };
  lasting(): readonly PendingLine[];
}

export type Lines = readonly PendingLine[] | StagedLines;
