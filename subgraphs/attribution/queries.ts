/** What the readers of this subgraph ask of the warehouse, for benchmarks that must run the same text. */
export { pathsQuery } from './campaign-reader.ts';
