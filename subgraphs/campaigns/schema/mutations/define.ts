import { type Command, runCommand } from '@tributary/prisma/commands';
import type { Scope } from '@tributary/schema';
import {
  idempotencyKeyDescription,
  refusePartner,
  requireScope,
  type SubgraphBuilder,
  type SubgraphContext,
  type SubgraphKit,
  type SubgraphSchemaTypes,
  type TypeRef,
  toUserErrors,
  type UserError,
  userErrorType,
} from '../../../src/kit.ts';
import type { CampaignsEnums } from '../enums.ts';
import type { CampaignsTypes, SchemaDeps } from '../types.ts';

/** What a mutation answers: what came of it, or why nothing did. */
export interface MutationPayload<R> {
  readonly result: R | null;
  /** Only with the first answer to a key. */
  readonly secret: string | null;
  readonly repeated: boolean;
  readonly userErrors: readonly UserError[];
}

/** What the definitions of mutations are made with. */
export interface MutationKit {
  readonly kit: SubgraphKit;
  readonly types: CampaignsTypes;
  readonly enums: CampaignsEnums;
  readonly deps: SchemaDeps;
}

export type InputBuilder = Parameters<NonNullable<Parameters<SubgraphBuilder['inputType']>[1]['fields']>>[0];
type InputFields = ReturnType<NonNullable<Parameters<SubgraphBuilder['inputType']>[1]['fields']>>;
type PayloadBuilder<R> = PothosSchemaTypes.ObjectFieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SubgraphSchemaTypes>,
  MutationPayload<R>
>;
type PayloadFields = Record<string, unknown>;

export interface MutationSpec<R> {
  readonly command: Command<R>;
  readonly description: string;
  /** Default `admin`. */
  readonly scope?: Scope;
  readonly input: (t: InputBuilder) => InputFields;
  /** Fields for which null means "take it away"; elsewhere null is as good as not given. */
  readonly clearable?: readonly string[];
  /** What the command takes, made of the input; may throw BAD_USER_INPUT. */
  readonly toCommand?: (input: Record<string, unknown>, context: SubgraphContext) => Record<string, unknown>;
  readonly payload: (t: PayloadBuilder<R>) => PayloadFields;
}

/** The input without nulls that mean nothing, at any depth of plain objects. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (inner == null ? [] : [[name, withoutNulls(inner)]])),
  );
}

function inputOf(input: Record<string, unknown>, clearable: readonly string[]): Record<string, unknown> {
  const cleared = clearable.filter((name) => input[name] === null).map((name) => [name, null]);
  return { ...(withoutNulls(input) as Record<string, unknown>), ...Object.fromEntries(cleared) };
}

/**
 * Adds a mutation that runs a command: `input` with its `idempotencyKey`, and a payload with `userErrors`. Needs the scope and
 * is never a partner's to ask.
 */
export function addMutation<R>({ kit, deps }: MutationKit, spec: MutationSpec<R>): void {
  const { builder } = kit;
  const { command, description, scope = 'admin' } = spec;
  const title = command.operation.charAt(0).toUpperCase() + command.operation.slice(1);
  const Input = builder.inputType(`${title}Input`, {
    description: `What \`${command.operation}\` takes.`,
    fields: (t) => ({
      idempotencyKey: t.string({ required: true, description: idempotencyKeyDescription }),
      ...spec.input(t),
    }),
  });
  const Payload = builder.objectRef<MutationPayload<R>>(`${title}Payload`);
  const UserErrorType = userErrorType(kit);
  Payload.implement({
    tag: 'internal',
    description: `What \`${command.operation}\` answers.`,
    fields: (t) => ({
      ...(spec.payload(t as never) as object),
      userErrors: t.field({
        type: [UserErrorType],
        description: 'Why nothing was done; empty when it was.',
        resolve: (payload) => payload.userErrors as UserError[],
      }),
      repeated: t.boolean({
        description: 'It was done before under this key, and nothing changed now.',
        resolve: (payload) => payload.repeated,
      }),
    }),
  });
  builder.mutationField(command.operation, (t) =>
    t.field({
      type: Payload,
      tag: 'internal',
      description: `${description} Needs \`${scope}\`.`,
      args: { input: t.arg({ type: Input, required: true, description: 'What to do.' }) },
      resolve: (async (_root: unknown, args: { input: object }, context: SubgraphContext) => {
        requireScope(context, scope);
        refusePartner(context);
        const { idempotencyKey, ...given } = args.input as { idempotencyKey: string } & Record<string, unknown>;
        try {
          const { tenantId, keyId: actor, appIds, scopes } = context.caller;
          const input = inputOf(given, spec.clearable ?? []);
          const answer = await runCommand(deps.relational, command, {
            tenantId,
            actor,
            appIds,
            scopes,
            idempotencyKey,
            nowMs: deps.clock.now(),
            // Of the input as given: what is made of it may differ each time. Only its hash is kept.
            identity: input,
            input: spec.toCommand ? spec.toCommand(input, context) : input,
          });
          return { ...answer, userErrors: [] };
        } catch (error) {
          return { result: null, secret: null, repeated: false, userErrors: toUserErrors(error) };
        }
      }) as never,
    }),
  );
}

/** The payload field of a row that a mutation made or changed: read after it, whatever the operation read before. */
export function rowField<R extends { readonly id: string }, T extends object>(
  t: PayloadBuilder<R>,
  type: TypeRef<T>,
  loader: (context: SubgraphContext) => {
    clear(id: string): unknown;
    load(id: string): Promise<T | null>;
  },
  description: string,
): unknown {
  return t.field({
    type,
    nullable: true,
    description,
    resolve: ((payload: MutationPayload<R>, _args: unknown, context: SubgraphContext) => {
      if (payload.result === null) return null;
      const rows = loader(context);
      rows.clear(payload.result.id);
      return rows.load(payload.result.id);
    }) as never,
  } as never);
}
