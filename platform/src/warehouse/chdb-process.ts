/**
 * Environment of a process that runs chDB, to be given when it is started (both are read before any of our code runs):
 * two malloc arenas instead of one per thread save 100 MB after heavy inserts; eight threads let all lanes run at once
 * beside what Node itself needs.
 */
export const chdbProcessEnv = { MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '8' } as const;
