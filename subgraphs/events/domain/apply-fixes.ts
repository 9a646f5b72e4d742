import { CodedError } from '@tributary/schema';

/** A change of a refused payload: the value at a path is set, or removed when `remove` is true. */
export interface PayloadFix {
  /** Keys and list places, dots between: `properties.price`, `batch.0.type`. */
  readonly path: string;
  readonly value: unknown;
  readonly remove: boolean;
}

const maxDepth = 16;
/** Would reach beyond the payload's own data. */
const forbidden: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Checks the paths of fixes. Throws BAD_USER_INPUT. */
export function checkFixes(fixes: readonly PayloadFix[]): void {
  for (const { path } of fixes) {
    const keys = path.split('.');
    if (keys.length <= maxDepth && keys.every((key) => key !== '' && !forbidden.has(key))) continue;
    throw new CodedError('BAD_USER_INPUT', {
      message: `'${path.slice(0, 100)}' is no path: keys with dots between, at most ${maxDepth}.`,
      details: { field: 'fixes' },
    });
  }
}

/**
 * A payload with the fixes made, as text; the same text when there are none. Parents that are missing are made as objects.
 * `null` when the payload is no JSON object, or a path runs into a plain value.
 */
export function applyFixes(payload: string, fixes: readonly PayloadFix[]): string | null {
  if (fixes.length === 0) return payload;
  let root: unknown;
  try {
    root = JSON.parse(payload);
  } catch {
    return null;
  }
  if (!isTree(root)) return null;
  for (const fix of fixes) {
    if (!applyFix(root, fix)) return null;
  }
  return JSON.stringify(root);
}

type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

function applyFix(root: Tree, { path, value, remove }: PayloadFix): boolean {
  const keys = path.split('.');
  const last = keys.pop() as string;
  let at = root;
  for (const key of keys) {
    const held = Object.hasOwn(at, key) ? at[key] : undefined;
    if (held === undefined) {
      if (remove) return true;
      at[key] = {};
    } else if (!isTree(held)) return false;
    at = at[key] as Tree;
  }
  if (remove) delete at[last];
  else at[last] = value;
  return true;
}
