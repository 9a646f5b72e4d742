import SchemaBuilder, { type ObjectRef } from '@pothos/core';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import DirectivePlugin from '@pothos/plugin-directives';
import FederationPlugin from '@pothos/plugin-federation';
import { CodedError, decimalPattern, type Money, trimDecimal } from '@tributary/schema';
import {
  DirectiveLocation,
  GraphQLBoolean,
  GraphQLDirective,
  GraphQLInt,
  GraphQLScalarType,
  Kind,
  type ValueNode,
} from 'graphql';
import type { SubgraphContext } from './types.ts';

/** The Pothos types that every subgraph's builder is made with. */
export interface SubgraphSchemaTypes {
  Context: SubgraphContext;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    /** Inside the subgraph: UTC epoch milliseconds. On the wire: ISO 8601. */
    DateTime: { Input: number; Output: number };
    /** `YYYY-MM-DD` */
    Date: { Input: string; Output: string };
    /** Plain decimal text. */
    Decimal: { Input: string; Output: string };
    JSON: { Input: unknown; Output: unknown };
  };
  Directives: {
    cacheControl: { locations: 'FIELD_DEFINITION' | 'OBJECT'; args: { maxAge?: number; inheritMaxAge?: boolean } };
  };
}

/**
 * What the gateway may keep. Not for what holds cursors: those are a key's own, and kept answers are shared by keys of equal rights.
 */
export const cacheControl = new GraphQLDirective({
  name: 'cacheControl',
  description: 'How long an answer may be kept; it is made anew at once when the app has new data.',
  locations: [DirectiveLocation.FIELD_DEFINITION, DirectiveLocation.OBJECT],
  args: {
    maxAge: { type: GraphQLInt, description: 'Seconds.' },
    inheritMaxAge: { type: GraphQLBoolean, description: 'As long as the field above.' },
  },
});
/** Of a type that is only ever part of what has an age. */
export const keptAsParent = { cacheControl: { inheritMaxAge: true } } as const;
/** Of a root field, in seconds: how late anything may be seen that no message tells of. */
export const keptBriefly = { cacheControl: { maxAge: 10 } } as const;

/** `input TimeRange` as it arrives; `parseTimeRange` makes bounds of it. */
export interface TimeRangeInput {
  lastDays?: number | null | undefined;
  from?: number | null | undefined;
  to?: number | null | undefined;
}

/** `PageInfo` of a connection (Relay). */
export interface ConnectionPageInfo {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly startCursor: string | null;
  readonly endCursor: string | null;
}

const isoMs = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const isoDate = /^\d{4}-\d{2}-\d{2}$/;

function refuse(message: string): never {
  throw new CodedError('BAD_USER_INPUT', { message });
}

function parseDateTime(value: unknown): number {
  if (typeof value !== 'string' || !isoMs.test(value)) refuse('DateTime takes ISO 8601 with a zone.');
  const ms = Date.parse(value);
  return Number.isFinite(ms) ? ms : refuse('DateTime names no real time.');
}

function parseDate(value: unknown): string {
  if (typeof value !== 'string' || !isoDate.test(value)) refuse('Date takes YYYY-MM-DD.');
  const ms = Date.parse(`${value}T00:00:00Z`);
  // `2026-02-30` parses in some engines by rolling over.
  const real = Number.isFinite(ms) && new Date(ms).toISOString().slice(0, 10) === value;
  return real ? value : refuse('Date names no real day.');
}

function parseDecimal(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !decimalPattern.test(text)) refuse('Decimal takes a plain decimal text.');
  return trimDecimal(text);
}

function textLiteral(node: ValueNode): unknown {
  return node.kind === Kind.STRING || node.kind === Kind.INT || node.kind === Kind.FLOAT ? node.value : undefined;
}

function jsonLiteral(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map((field) => [field.name.value, jsonLiteral(field.value)]));
    case Kind.LIST:
      return node.values.map(jsonLiteral);
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value;
    case Kind.NULL:
      return null;
    default:
      return refuse('JSON literals hold no variables; pass the whole value as a variable.');
  }
}

const dateTimeScalar = new GraphQLScalarType<number, string>({
  name: 'DateTime',
  description: 'A time as ISO 8601 in UTC with milliseconds, e.g. `2026-11-24T09:30:00.000Z`.',
  serialize: (value) => new Date(value as number).toISOString(),
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : undefined),
});

const dateScalar = new GraphQLScalarType<string, string>({
  name: 'Date',
  description: 'A calendar day, `YYYY-MM-DD`.',
  serialize: (value) => value as string,
  parseValue: parseDate,
  parseLiteral: (node) => parseDate(node.kind === Kind.STRING ? node.value : undefined),
});

const decimalScalar = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description: 'A decimal number as text with up to 6 decimals, e.g. `"4.99"`. Never a float.',
  serialize: (value) => trimDecimal(value as string),
  parseValue: parseDecimal,
  parseLiteral: (node) => parseDecimal(textLiteral(node)),
});

const jsonScalar = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: jsonLiteral,
});

function createBareBuilder() {
  return new SchemaBuilder<SubgraphSchemaTypes>({
    plugins: [DirectivePlugin, FederationPlugin, DataloaderPlugin],
    defaultFieldNullability: false,
  });
}

/** A Pothos builder with the product's context, scalars and nullability (fields are non-null unless they say so). */
export type SubgraphBuilder = ReturnType<typeof createBareBuilder>;

/** A reference to an object type of such a builder, whose values are `T`. */
export type TypeRef<T> = ObjectRef<PothosSchemaTypes.ExtendDefaultTypes<SubgraphSchemaTypes>, T>;

function addSharedTypes(builder: SubgraphBuilder) {
  builder.addScalarType('DateTime', dateTimeScalar);
  builder.addScalarType('Date', dateScalar);
  builder.addScalarType('Decimal', decimalScalar);
  builder.addScalarType('JSON', jsonScalar);
  const Money = builder.objectRef<Money>('Money').implement({
    shareable: true,
    directives: keptAsParent,
    description: 'An amount of money.',
    fields: (t) => ({
      amount: t.expose('amount', { type: 'Decimal', description: 'In units of the currency, not cents.' }),
      currency: t.exposeString('currency', { description: 'ISO 4217, upper case.' }),
    }),
  });
  const PageInfo = builder.objectRef<ConnectionPageInfo>('PageInfo').implement({
    shareable: true,
    description: 'Where a page lies in its list.',
    fields: (t) => ({
      hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there is more after this page.' }),
      hasPreviousPage: t.exposeBoolean('hasPreviousPage', { description: 'Whether this page began after a cursor.' }),
      startCursor: t.exposeString('startCursor', { nullable: true, description: 'Cursor of the first edge.' }),
      endCursor: t.exposeString('endCursor', { nullable: true, description: 'Pass as `after` for the next page.' }),
    }),
  });
  const TimeRange = builder.inputRef<TimeRangeInput>('TimeRange').implement({
    description:
      'Either `lastDays` (1…400, ending now) or `from` with an optional `to` (default: now). `from` is inclusive, `to` exclusive; at most 400 days.',
    fields: (t) => ({
      lastDays: t.int({ description: 'Days of 24 hours that end now, 1…400.' }),
      from: t.field({ type: 'DateTime', description: 'Inclusive.' }),
      to: t.field({ type: 'DateTime', description: 'Exclusive; now when left out.' }),
    }),
  });
  return { Money, PageInfo, TimeRange };
}

/**
 * The start of a subgraph's schema: a builder, and the shared types to refer to.
 *
 * Add `builder.queryType({…})` yourself: not every subgraph has root fields.
 *
 * @example
 * const { builder, Money, TimeRange } = createSubgraphBuilder();
 * const App = builder.objectRef<{ id: string }>('App').implement({ fields: (t) => ({ id: t.exposeID('id') }) });
 * asIdEntity(builder, App);
 */
export function createSubgraphBuilder() {
  const builder = createBareBuilder();
  return { builder, ...addSharedTypes(builder) };
}

export type SubgraphKit = ReturnType<typeof createSubgraphBuilder>;

/** What an entity is before its fields are asked for. */
export interface IdReference {
  readonly id: string;
}

/** Makes `ref` an entity with `@key(fields: "id")` that this subgraph resolves to `{ id }`; field resolvers do the rest. */
export function asIdEntity(builder: SubgraphBuilder, ref: TypeRef<IdReference>): void {
  builder.asEntity(ref, {
    key: builder.selection<{ id: string }>('id'),
    resolveReference: (reference) => ({ id: reference.id }),
  });
}

/** A type that another subgraph owns and this one only points to: `type X @key(fields: "id", resolvable: false) { id: ID! }`. */
export function addEntityStub(builder: SubgraphBuilder, name: string) {
  const ref = builder.objectRef<IdReference>(name);
  ref.implement({ fields: (t) => ({ id: t.exposeID('id', { description: 'Its id.' }) }) });
  builder.asEntity(ref, {
    key: builder.keyDirective(builder.selection<{ id: string }>('id'), false),
    resolveReference: (reference) => ({ id: reference.id }),
  });
  return ref;
}
