/**
 * A range cut so that whole grains are read from a projection and the rest from rows: `[headFrom, headTo)` rows,
 * `[innerFrom, innerTo)` whole grains, `[tailFrom, tailTo)` rows. The three are disjoint and together the range.
 */
export interface RangeSlices extends Record<string, number> {
  readonly headFrom: number;
  readonly headTo: number;
  readonly innerFrom: number;
  readonly innerTo: number;
  readonly tailFrom: number;
  readonly tailTo: number;
}

export function sliceRange(fromMs: number, toMs: number, grainMs: number): RangeSlices {
  const innerFrom = Math.ceil(fromMs / grainMs) * grainMs;
  const innerTo = Math.floor(toMs / grainMs) * grainMs;
  if (innerFrom >= innerTo) {
    return { headFrom: fromMs, headTo: toMs, innerFrom: 0, innerTo: 0, tailFrom: 0, tailTo: 0 };
  }
  return { headFrom: fromMs, headTo: innerFrom, innerFrom, innerTo, tailFrom: innerTo, tailTo: toMs };
}
