import type { CodedError, DeadLetter } from '@tributary/schema';
import type { Filtered } from './draft.ts';
import type { Lines } from './pass-through/staged-lines.ts';
import type { CollectorResponse } from './request.ts';

/** What to do: store first, then answer. All others need no storing. */
export type CollectorOutcome =
  | { readonly kind: 'refused'; readonly response: CollectorResponse }
  | { readonly kind: 'answered'; readonly response: CollectorResponse }
  /** The answer comes from a look-up; `response` is what is answered should that fail. */
  | { readonly kind: 'asked'; readonly response: CollectorResponse; readonly answer: Promise<CollectorResponse> }
  | {
      readonly kind: 'store';
      readonly lines: Lines;
      readonly deadLetters: readonly DeadLetter[];
      /** Absent = nothing was. */
      readonly filtered?: Filtered;
      /** Called once it is stored. */
      readonly onStored?: () => void;
      readonly response: CollectorResponse;
      /** What is answered when it could not be stored, in the form that the sender reads. */
      readonly unstored: (error: CodedError) => CollectorResponse;
    };
