import type { DirectorySnapshot } from '@tributary/schema';

/** What `current()` answers before anything was published. */
export const emptyDirectory: DirectorySnapshot = Object.freeze({
  version: 0,
  publishedAt: 0,
  apps: [],
  links: [],
  campaigns: [],
  keys: [],
  goals: [],
});
