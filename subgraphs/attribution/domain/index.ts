/** Pure functions of attribution: used by this subgraph and by workers/attribution. */
export * from './credit-models.ts';
export * from './explain.ts';
export * from './journey.ts';
export * from './match-keys.ts';
export * from './parse-referrer.ts';
export * from './waterfall.ts';
