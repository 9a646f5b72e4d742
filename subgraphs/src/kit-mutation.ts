import type { CodedError, ErrorCode } from '@tributary/schema';
import type { SubgraphBuilder, SubgraphKit } from './kit-builder.ts';
import { codedCauseOf } from './kit-errors.ts';

/** Why a mutation did nothing: the caller's to mend, as data beside the answer. */
export interface UserError {
  readonly code: ErrorCode;
  /** Path of the input field, e.g. `['input', 'rows', '3', 'day']`; empty when it is none in particular. */
  readonly field: readonly string[];
  readonly message: string;
}

/** What every mutation answers beside what it made. */
export interface MutationFacts {
  readonly userErrors: readonly UserError[];
  readonly repeated: boolean;
}

/** Codes that are the caller's to mend. All others are errors of the operation: rights, faults, the store being away. */
const mendable: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_USER_INPUT',
  'NOT_FOUND',
  'CONFLICT',
  'IDEMPOTENCY_CONFLICT',
  'RANGE_TOO_LARGE',
]);

interface Issue {
  readonly field: readonly string[];
  readonly message: string;
}

function issuesOf({ details }: CodedError): readonly Issue[] {
  const issues = details?.['issues'];
  if (Array.isArray(issues)) return issues as Issue[];
  const field = details?.['field'];
  return typeof field === 'string' ? [{ field: [field], message: '' }] : [];
}

/** The user errors of a failed mutation; throws on what isn't the caller's to mend. */
export function toUserErrors(error: unknown): readonly UserError[] {
  const coded = codedCauseOf(error);
  if (!coded || !mendable.has(coded.code)) throw error;
  const issues = issuesOf(coded);
  if (issues.length === 0) return [{ code: coded.code, field: [], message: coded.message }];
  return issues.map(({ field, message }) => ({
    code: coded.code,
    field: ['input', ...field],
    message: message || coded.message,
  }));
}

function makeUserError({ builder }: SubgraphKit) {
  return builder.objectRef<UserError>('UserError').implement({
    shareable: true,
    description: 'Why a mutation did nothing, for the caller to mend.',
    fields: (t) => ({
      code: t.exposeString('code', {
        description:
          'Of the error catalogue: BAD_USER_INPUT, NOT_FOUND, CONFLICT, IDEMPOTENCY_CONFLICT or RANGE_TOO_LARGE.',
      }),
      field: t.exposeStringList('field', {
        description: 'Path of the field, beginning with `input`; empty when it is none in particular.',
      }),
      message: t.exposeString('message', { description: 'What is wrong and what to do, for people.' }),
    }),
  });
}

const userErrorTypes = new WeakMap<SubgraphBuilder, ReturnType<typeof makeUserError>>();

/** The shared type `UserError`; made once per builder. */
export function userErrorType(kit: SubgraphKit) {
  const type = userErrorTypes.get(kit.builder) ?? makeUserError(kit);
  userErrorTypes.set(kit.builder, type);
  return type;
}

/** Description of the one argument that every mutation's input has. */
export const idempotencyKeyDescription =
  'Chosen by you, unique per intended change, e.g. a UUID; 1…200 characters. The same key with the same input is done once and answered alike for a week; with another input it is refused (IDEMPOTENCY_CONFLICT).';
