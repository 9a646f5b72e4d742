import { CodedError, newId, sha256Hex } from '@tributary/schema';
import { z } from 'zod';
import { diffOf, recordAudit } from '../audit.ts';
import { type ChangeTopic, countChange } from '../changes.ts';
import type { Relational, RelationalReader } from '../client.ts';
import { isUniqueConflict } from '../faults.ts';
import { parseInput } from '../inputs.ts';

/** In whose name a command runs, inside its transaction. */
export interface CommandScope {
  readonly tx: RelationalReader;
  readonly tenantId: string;
  /** A key's or a member's id. */
  readonly actor: string;
  /** Apps that the actor may change; null = all of the tenant, and the tenant itself. */
  readonly appIds: readonly string[] | null;
  /** What the actor may do: nobody gives away more than they have. */
  readonly scopes: readonly string[];
  readonly nowMs: number;
}

export interface CommandOutcome<R> {
  /** Ids and facts; kept for repeats, so never a key's text. */
  readonly result: R;
  /** Shown with the first answer only, and stored nowhere. */
  readonly secret?: string;
  readonly audit: readonly {
    readonly action: string;
    readonly subjectId: string;
    readonly before?: Readonly<Record<string, unknown>> | null;
    readonly after?: Readonly<Record<string, unknown>> | null;
    /** Facts beside the diff. */
    readonly facts?: Readonly<Record<string, unknown>>;
  }[];
}

/** A change that a caller may ask for: parsed, scoped, audited, whole or not at all, and done once by its key. */
export interface Command<R> {
  /** Name of the mutation. */
  readonly operation: string;
  /** What the change shows up in. */
  readonly topics: readonly ChangeTopic[];
  readonly input: z.ZodType;
  /** Said (CONFLICT) when the store refuses a second row of the same name. */
  readonly taken?: string;
  readonly run: (scope: CommandScope, given: never) => Promise<CommandOutcome<R>>;
}

export function defineCommand<I extends z.ZodType, R>(command: {
  readonly operation: string;
  readonly topics?: readonly ChangeTopic[];
  readonly input: I;
  readonly taken?: string;
  readonly run: (scope: CommandScope, given: z.output<I>) => Promise<CommandOutcome<R>>;
}): Command<R> {
  return { ...command, topics: command.topics ?? [] } as Command<R>;
}

export interface CommandRequest {
  readonly tenantId: string;
  readonly actor: string;
  readonly appIds: readonly string[] | null;
  readonly scopes: readonly string[];
  /** Chosen by the caller; 1…200 characters. The same again within a week is the same request, or IDEMPOTENCY_CONFLICT. */
  readonly idempotencyKey: string;
  readonly nowMs: number;
  readonly input: unknown;
  /** What makes two requests the same; default `input`. For inputs that differ each time (sealed texts). */
  readonly identity?: unknown;
}

export interface CommandAnswer<R> {
  readonly result: R;
  readonly secret: string | null;
  /** It was done before, by this key; nothing changed now. */
  readonly repeated: boolean;
}

const keptMs = 7 * 86_400_000;
const keyInput = z.object({ idempotencyKey: z.string().min(1).max(200) });

/**
 * Runs a command: one transaction holds its claim of the key, its rows, its audit entries and its answer, so that nothing of
 * it exists unless all does. A twin that runs at the same time waits for the claim and gets the same answer.
 *
 * Throws BAD_USER_INPUT, NOT_FOUND, CONFLICT, FORBIDDEN, IDEMPOTENCY_CONFLICT, RELATIONAL_UNAVAILABLE.
 */
export async function runCommand<R>(
  relational: Relational,
  command: Command<R>,
  request: CommandRequest,
): Promise<CommandAnswer<R>> {
  parseInput(keyInput, { idempotencyKey: request.idempotencyKey });
  const given = parseInput(command.input, request.input);
  const requestHash = sha256Hex(canonicalJson([command.operation, request.identity ?? request.input]));
  const before = await readAnswer<R>(relational, command, request, requestHash);
  if (before) return before;
  try {
    const outcome = await relational.transact(async (tx) => {
      const claim = await claimKey(tx, command.operation, request, requestHash);
      const { tenantId, actor, appIds, scopes, nowMs } = request;
      const made = await command.run({ tx, tenantId, actor, appIds, scopes, nowMs }, given as never);
      await recordAudit(
        tx,
        made.audit.map(({ action, subjectId, before: old, after, facts }) => ({
          tenantId,
          actor,
          action,
          subjectId,
          details: { ...facts, changes: diffOf(old ?? null, after ?? null) },
        })),
      );
      await tx.idempotencyRecord.update({ where: { id: claim }, data: { response: made.result as never } });
      await countChange(tx, command.topics);
      return made;
    });
    relational.announceCommit();
    return { result: outcome.result, secret: outcome.secret ?? null, repeated: false };
  } catch (error) {
    if (!isUniqueConflict(error)) throw error;
    // Either a twin was first, or a name is taken.
    const twin = await readAnswer<R>(relational, command, request, requestHash);
    if (twin) return twin;
    throw new CodedError('CONFLICT', { ...(command.taken ? { message: command.taken } : {}), cause: error });
  }
}

async function readAnswer<R>(
  relational: Relational,
  command: Command<R>,
  { tenantId, idempotencyKey, nowMs }: CommandRequest,
  requestHash: string,
): Promise<CommandAnswer<R> | null> {
  const record = await relational.client.idempotencyRecord.findUnique({
    where: { tenantId_key: { tenantId, key: idempotencyKey } },
  });
  // The tenant is in the key already: the same wall a second time, in code.
  if (record?.tenantId !== tenantId || record.expiresAt.getTime() <= nowMs) return null;
  if (record.operation !== command.operation || record.requestHash !== requestHash) {
    throw new CodedError('IDEMPOTENCY_CONFLICT', { details: { field: 'idempotencyKey' } });
  }
  return { result: record.response as R, secret: null, repeated: true };
}

async function claimKey(
  tx: RelationalReader,
  operation: string,
  { tenantId, idempotencyKey, nowMs }: CommandRequest,
  requestHash: string,
): Promise<string> {
  const [id, now] = [newId('request'), new Date(nowMs)];
  await tx.idempotencyRecord.deleteMany({ where: { tenantId, key: idempotencyKey, expiresAt: { lte: now } } });
  await tx.idempotencyRecord.create({
    data: {
      id,
      tenantId,
      key: idempotencyKey,
      operation,
      requestHash,
      createdAt: now,
      expiresAt: new Date(nowMs + keptMs),
    },
  });
  return id;
}

/** JSON with the fields of objects in order, so that equal inputs are equal texts. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
