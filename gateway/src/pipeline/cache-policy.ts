import { isCompositeType } from 'graphql';
import type { Hint, Hints } from './field-hints.ts';
import type { FieldShape } from './operation-shape.ts';

/**
 * How many seconds an answer may be kept, after Apollo's rules of `@cacheControl`: the least of all root fields and of all
 * fields that give objects, where one without a hint counts as 0 unless it inherits; a scalar counts only by its own hint.
 * Private and personal fields, and introspection, make it 0.
 */
export function maxAgeOf(roots: readonly FieldShape[], hints: Hints): number {
  if (roots.length === 0) return 0;
  let least = Number.POSITIVE_INFINITY;
  const visit = (shape: FieldShape, isRoot: boolean): void => {
    const own = hints.ofField(shape.typeName, shape.field.name);
    const ofType = hints.ofType(shape.namedType.name);
    if (forbids(own) || forbids(ofType)) least = 0;
    const age = own?.maxAgeSeconds ?? ofType?.maxAgeSeconds;
    const inherits = own?.inheritMaxAge || ofType?.inheritMaxAge;
    if (age !== undefined) least = Math.min(least, age);
    else if (isRoot || (isCompositeType(shape.namedType) && !inherits)) least = 0;
    for (const child of shape.children) if (least > 0) visit(child, false);
  };
  for (const root of roots) visit(root, true);
  return Number.isFinite(least) ? Math.max(0, least) : 0;
}

function forbids(hint: Hint | undefined): boolean {
  return hint?.isPrivate === true || hint?.personal === true;
}
