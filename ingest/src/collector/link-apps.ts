import type { DirectorySnapshot } from '@tributary/schema';

export interface AppLinks {
  /** `apple-app-site-association`. */
  readonly apple: string;
  /** `assetlinks.json`. */
  readonly android: string;
}

const known = new WeakMap<DirectorySnapshot, AppLinks>();

/**
 * The files by which phones let apps open tracking links, as JSON. A collector has one public host for all links, so the
 * files name every enabled app of the installation; which app opens a link is the phone's to decide, by which is installed.
 * Ids of apps are no secrets: their stores show them. Made once for each snapshot.
 */
export function appLinksOf(snapshot: DirectorySnapshot): AppLinks {
  const made = known.get(snapshot);
  if (made) return made;
  const policies = snapshot.apps.flatMap(({ enabled, intake }) => (enabled && intake ? [intake] : []));
  const links = { apple: appleFile(policies), android: androidFile(policies) };
  known.set(snapshot, links);
  return links;
}

type Policies = readonly NonNullable<DirectorySnapshot['apps'][number]['intake']>[];

/** https://developer.apple.com/documentation/xcode/supporting-associated-domains */
function appleFile(policies: Policies): string {
  const appIDs = [...new Set(policies.flatMap(({ iosAppIds }) => iosAppIds))].sort();
  const details = appIDs.length === 0 ? [] : [{ appIDs, components: [{ '/': '/c/*' }] }];
  return JSON.stringify({ applinks: { details } });
}

/** https://developers.google.com/digital-asset-links/v1/getting-started */
function androidFile(policies: Policies): string {
  const prints = new Map<string, Set<string>>();
  for (const { packageName, sha256Fingerprints } of policies.flatMap(({ androidApps }) => androidApps)) {
    const ofPackage = prints.get(packageName) ?? new Set();
    for (const print of sha256Fingerprints) ofPackage.add(print.toUpperCase());
    prints.set(packageName, ofPackage);
  }
  const statements = [...prints]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([packageName, ofPackage]) => ({
      relation: ['delegate_permission/common.handle_all_urls'],
      target: { namespace: 'android_app', package_name: packageName, sha256_cert_fingerprints: [...ofPackage].sort() },
    }));
  return JSON.stringify(statements);
}
