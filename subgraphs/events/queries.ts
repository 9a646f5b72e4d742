/** What the readers of this subgraph ask of the warehouse, for benchmarks that must run the same text. */
export { planReport } from './domain/report-plan.ts';
export { sliceRange } from './domain/slices.ts';
export { eventsQuery } from './event-reader.ts';
export { quarterMs } from './events-sql.ts';
export { campaignsQuery, totalsQuery } from './live-reader.ts';
export { countsQuery, peopleQuery } from './metrics-reader.ts';
export { reportQuery } from './report-sql.ts';
export { seriesQuery } from './series-reader.ts';
