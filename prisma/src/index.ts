export * from './accounts.ts';
export * from './campaigns.ts';
export * from './changes.ts';
export * from './client.ts';
export * from './directory.ts';
export * from './migrate.ts';
export * from './mirrors.ts';
export * from './seed-demo.ts';
