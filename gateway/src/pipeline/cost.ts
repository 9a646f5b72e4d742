import {
  type GraphQLOutputType,
  isCompositeType,
  isListType,
  isNonNullType,
  OperationTypeNode,
  valueFromASTUntyped,
} from 'graphql';
import type { Hints, ListSizeHint } from './field-hints.ts';
import { type FieldShape, isSelected } from './operation-shape.ts';

/** Points for what the schema puts no `@cost` on. A scalar is free: it comes with its object. */
export const weights = { object: 1, scalar: 0, mutation: 10, subscription: 10 } as const;
/** Elements of a list whose length nothing tells. */
const assumedListSize = 10;
/** Arguments by which a field says how many it wants, where `@listSize` names none. */
const slicingNames = ['first', 'last', 'limit', 'count', 'top'] as const;
/** An argument that lists what is wanted bounds the answer. */
const listingNames = ['ids', 'in', 'keys'] as const;

/** What an operation costs, before it runs and after. One place decides on points, for every transport. */
export interface OperationCost {
  /** The most it can cost with these variables. At least 1. */
  requested(variables: Readonly<Record<string, unknown>>): number;
  /** What it did cost, counted from its answer. At least 1, and never more than `requested`. */
  actual(data: unknown, variables: Readonly<Record<string, unknown>>): number;
}

export function createOperationCost(
  kind: OperationTypeNode,
  roots: readonly FieldShape[],
  hints: Hints,
): OperationCost {
  const costed = roots.map((root) => costField(root, hints));
  const rootWeight =
    kind === OperationTypeNode.MUTATION
      ? weights.mutation
      : kind === OperationTypeNode.SUBSCRIPTION
        ? weights.subscription
        : 0;
  const requested = (variables: Readonly<Record<string, unknown>>) => {
    let sum = 0;
    for (const field of costed) sum += rootWeight + estimate(field, variables, null);
    return Math.max(1, Math.ceil(sum));
  };
  return {
    requested,
    actual(data, variables) {
      let sum = 0;
      if (data !== null && typeof data === 'object') {
        for (const field of costed) {
          if (isSelected(field.shape, variables)) {
            sum += rootWeight + count(field, (data as Record<string, unknown>)[field.shape.key]);
          }
        }
      }
      return Math.max(1, Math.min(Math.ceil(sum), requested(variables)));
    },
  };
}

interface CostedField {
  readonly shape: FieldShape;
  /** Of the field itself, and once per object that it gives. */
  readonly fieldWeight: number;
  readonly objectWeight: number;
  readonly listDepth: number;
  readonly listSize: ListSizeHint | undefined;
  readonly always: boolean;
  readonly children: readonly CostedField[];
  /** Children that hold objects or cost something: the only ones that counting must visit. */
  readonly counted: readonly CostedField[];
}

function costField(shape: FieldShape, hints: Hints): CostedField {
  const composite = isCompositeType(shape.namedType);
  const hint = hints.ofField(shape.typeName, shape.field.name);
  const typeWeight = hints.ofType(shape.namedType.name)?.weight;
  const children = shape.children.map((child) => costField(child, hints));
  return {
    shape,
    fieldWeight: hint?.weight ?? 0,
    objectWeight: typeWeight ?? (composite ? (hint?.weight === undefined ? weights.object : 0) : weights.scalar),
    listDepth: listDepthOf(shape.field.type),
    listSize: hint?.listSize,
    always: shape.when.some((all) => all.length === 0),
    children,
    counted: children.filter((child) => child.fieldWeight + child.objectWeight > 0 || child.counted.length > 0),
  };
}

/** @param sizeFromParent of a connection that was asked for so many: its lists have that many. */
function estimate(
  field: CostedField,
  variables: Readonly<Record<string, unknown>>,
  sizeFromParent: number | null,
): number {
  if (!field.always && !isSelected(field.shape, variables)) return 0;
  const asked = askedSize(field, variables);
  const size = field.listDepth === 0 ? 1 : (asked ?? sizeFromParent ?? assumedListSize) ** field.listDepth;
  const handedOn = field.listDepth === 0 ? asked : null;
  const sized = field.listSize?.sizedFields;
  let inner = 0;
  for (const child of field.children) {
    inner += estimate(child, variables, !sized || sized.includes(child.shape.field.name) ? handedOn : null);
  }
  return field.fieldWeight + size * (field.objectWeight + inner);
}

function askedSize(field: CostedField, variables: Readonly<Record<string, unknown>>): number | null {
  const slicing = field.listSize?.slicingArguments ?? slicingNames;
  let size: number | null = null;
  for (const definition of field.shape.field.args) {
    const isSlice = slicing.includes(definition.name as never);
    if (!isSlice && !listingNames.includes(definition.name as never)) continue;
    const given = field.shape.args.find((argument) => argument.name.value === definition.name);
    const value = given ? valueFromASTUntyped(given.value, variables) : definition.defaultValue;
    const number =
      isSlice && typeof value === 'number' ? value : Array.isArray(value) && !isSlice ? value.length : null;
    if (number !== null) size = Math.max(size ?? 0, number);
  }
  return size ?? field.listSize?.assumedSize ?? null;
}

/** Points of one value of the answer. */
function count(field: CostedField, value: unknown): number {
  if (value === null || value === undefined) return field.fieldWeight;
  return field.fieldWeight + countObjects(field, value);
}

function countObjects(field: CostedField, value: unknown): number {
  if (Array.isArray(value)) {
    if (field.counted.length === 0) return value.length * field.objectWeight;
    let sum = 0;
    for (const item of value) sum += countObjects(field, item);
    return sum;
  }
  if (value === null || value === undefined) return 0;
  let sum = field.objectWeight;
  if (typeof value === 'object') {
    for (const child of field.counted) {
      const inner = (value as Record<string, unknown>)[child.shape.key];
      if (inner !== undefined) sum += count(child, inner);
    }
  }
  return sum;
}

function listDepthOf(type: GraphQLOutputType): number {
  if (isNonNullType(type)) return listDepthOf(type.ofType);
  return isListType(type) ? 1 + listDepthOf(type.ofType) : 0;
}
