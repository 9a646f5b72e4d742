export * from './blob-store.ts';
export * from './cache.ts';
export * from './clock.ts';
export * from './directory.ts';
export * from './event-log.ts';
export * from './live-bus.ts';
export * from './logger.ts';
export * from './warehouse.ts';
