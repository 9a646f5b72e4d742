/** What the four subgraphs share. */
export * from './kit-access.ts';
export * from './kit-builder.ts';
export * from './kit-connection.ts';
export * from './kit-errors.ts';
export * from './kit-mutation.ts';
export * from './kit-server.ts';
export * from './kit-subgraph.ts';
export * from './kit-time-range.ts';
export type { Subgraph, SubgraphContext, SubgraphDeps } from './types.ts';
