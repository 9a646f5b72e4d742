import type { Directory } from '@tributary/platform/directory';
import { indexDirectory } from '@tributary/platform/directory/lookup';
import { CodedError, type DirectoryApp, type DirectoryKey } from '@tributary/schema';
import { policyOf, type RequestFacts } from './policy/app-policy.ts';

/** Who may write, and to which app. */
export interface Authorized {
  readonly key: DirectoryKey;
  readonly app: DirectoryApp;
}

/**
 * Asked of the directory at every request, so that a key that was revoked is refused from the next request on. Throws
 * UNAUTHENTICATED, FORBIDDEN, SOURCE_DISABLED, or REQUEST_BLOCKED where the app's owner takes no such request.
 */
export function authorize(key: DirectoryKey | null, directory: Directory, request: RequestFacts): Authorized {
  if (key === null || !key.enabled || key.kind === 'api') throw new CodedError('UNAUTHENTICATED');
  if (!key.scopes.includes('ingest:write')) throw new CodedError('FORBIDDEN');
  const appId = key.appIds?.[0];
  const app = appId === undefined ? undefined : indexDirectory(directory.current()).appById.get(appId);
  if (!app) throw new CodedError('UNAUTHENTICATED');
  if (!app.enabled) throw new CodedError('SOURCE_DISABLED');
  const policy = policyOf(app);
  if (policy.refuses(request) || policy.refusesOrigin(request)) throw new CodedError('REQUEST_BLOCKED');
  return { key, app };
}
