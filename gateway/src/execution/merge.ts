/** A JSON object as a subgraph sent it. */
export type Entity = Record<string, unknown>;

export function isEntity(value: unknown): value is Entity {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/**
 * Puts what a subgraph sent into what is there, in depth; lists are merged place by place. Parts that are new are taken over by
 * reference, so equal entities share them: merging into one is merging into all, which is right, since all are the same entity at
 * the same place of the plan.
 */
export function mergeEntity(target: Entity, source: Entity): void {
  if (target === source) return;
  for (const key in source) {
    const given = source[key];
    if (given === undefined || key === '__proto__') continue;
    const known = target[key];
    if (known === undefined || known === null || given === null || typeof given !== 'object' || known === given) {
      target[key] = given;
    } else if (Array.isArray(given)) {
      if (Array.isArray(known) && known.length === given.length) mergeLists(known, given);
      else target[key] = given;
    } else if (isEntity(known)) mergeEntity(known, given as Entity);
    else target[key] = given;
  }
}

function mergeLists(target: unknown[], source: readonly unknown[]): void {
  for (let at = 0; at < source.length; at += 1) {
    const [known, given] = [target[at], source[at]];
    if (isEntity(known) && isEntity(given)) mergeEntity(known, given);
    else if (Array.isArray(known) && Array.isArray(given) && known.length === given.length) mergeLists(known, given);
    else target[at] = given;
  }
}
