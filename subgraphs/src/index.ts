export * from './kit.ts';
export type * from './types.ts';
