import {
  type DirectoryApp,
  type DirectoryCampaign,
  type DirectoryGoal,
  type DirectoryKey,
  type DirectoryLink,
  type DirectorySnapshot,
  sha256Hex,
} from '@tributary/schema';
import type { Directory } from '../directory.ts';

/** A snapshot by its ids. */
export interface DirectoryIndex {
  readonly keyByHash: ReadonlyMap<string, DirectoryKey>;
  readonly linkBySlug: ReadonlyMap<string, DirectoryLink>;
  readonly appById: ReadonlyMap<string, DirectoryApp>;
  readonly campaignById: ReadonlyMap<string, DirectoryCampaign>;
  /** In the snapshot's order; apps without goals are absent. */
  readonly goalsByAppId: ReadonlyMap<string, readonly DirectoryGoal[]>;
}

const indexes = new WeakMap<DirectorySnapshot, DirectoryIndex>();

/** The index of a snapshot; made once for each snapshot object, so that it may be asked for at every request. */
export function indexDirectory(snapshot: DirectorySnapshot): DirectoryIndex {
  const known = indexes.get(snapshot);
  if (known) return known;
  const index: DirectoryIndex = {
    keyByHash: new Map(snapshot.keys.map((key) => [key.hash, key])),
    linkBySlug: new Map(snapshot.links.map((link) => [link.slug, link])),
    appById: new Map(snapshot.apps.map((app) => [app.appId, app])),
    campaignById: new Map(snapshot.campaigns.map((campaign) => [campaign.campaignId, campaign])),
    goalsByAppId: Map.groupBy(snapshot.goals, (goal) => goal.appId),
  };
  indexes.set(snapshot, index);
  return index;
}

/** Raw texts longer than this are no keys of ours and are not hashed. */
const longestKeyText = 512;

/**
 * Finds the key of a raw key text. Whether it is enabled, and what it may do, is for the caller to check.
 *
 * The last `maxEntries` (default 10,000) answers are kept, refusals too, so that a busy key is hashed once. They are
 * dropped when the snapshot changes: a key that was disabled or made is seen with the snapshot that says so.
 */
export function createKeyLookup(
  directory: Pick<Directory, 'current'>,
  { maxEntries = 10_000 }: { readonly maxEntries?: number } = {},
): (rawKey: string) => DirectoryKey | null {
  let snapshot = directory.current();
  let answers = new Map<string, DirectoryKey | null>();
  return (rawKey) => {
    if (rawKey.length === 0 || rawKey.length > longestKeyText) return null;
    const current = directory.current();
    if (current !== snapshot) {
      snapshot = current;
      answers = new Map();
    }
    const known = answers.get(rawKey);
    if (known !== undefined) return known;
    const key = indexDirectory(current).keyByHash.get(sha256Hex(rawKey)) ?? null;
    if (answers.size >= maxEntries) answers.delete(answers.keys().next().value!);
    answers.set(rawKey, key);
    return key;
  };
}
