import { readFile } from 'node:fs/promises';
import type { Cache } from '@tributary/platform/cache';
import { createLru } from '@tributary/platform/lru';
import { CodedError, sha256Hex } from '@tributary/schema';
import { z } from 'zod';
import type { Principal } from './auth.ts';

/** Operations known before they are asked: id or SHA-256 → text. */
export type DocumentManifest = ReadonlyMap<string, string>;

/** Apollo's manifest, or the plain `{hash: text}` of graphql-codegen. */
const manifestSchema = z.union([
  z.object({ operations: z.array(z.object({ id: z.string(), body: z.string() })) }),
  z.record(z.string(), z.string()),
]);

/** Every document under the id that it was given and under its SHA-256. Throws what JSON.parse and zod throw. */
export function parseManifest(text: string): DocumentManifest {
  const parsed = manifestSchema.parse(JSON.parse(text));
  const entries = Array.isArray(parsed['operations'])
    ? parsed['operations'].map(({ id, body }): [string, string] => [id, body])
    : Object.entries(parsed as Record<string, string>);
  const manifest = new Map<string, string>();
  for (const [id, body] of entries) {
    manifest.set(id, body);
    manifest.set(sha256Hex(body), body);
  }
  return manifest;
}

/** The manifest of a file; null when there is none. */
export async function readManifest(file: string): Promise<DocumentManifest | null> {
  try {
    return parseManifest(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** The parts of a request that say which document is meant. */
export interface DocumentParams {
  readonly query?: string | null | undefined;
  readonly documentId?: string | null | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface TrustedDocuments {
  /**
   * The text to run. By hash alone: the manifest's, else one that this tenant registered (by sending text and hash together).
   * Throws DOCUMENT_UNKNOWN (send the text), DOCUMENT_NOT_TRUSTED for a key that runs trusted documents only, BODY_UNPARSABLE
   * where neither text nor hash is given, and BAD_USER_INPUT where they do not belong together.
   */
  textOf(params: DocumentParams, principal: Principal): Promise<string>;
}

export interface TrustedDocumentsDeps {
  readonly cache: Pick<Cache, 'get' | 'set'>;
  readonly manifest: () => DocumentManifest;
}

const registeredForMs = 30 * 86_400_000;
const keptTexts = 1_000;
/** What Apollo's clients look for before they send the text. */
const unknownToClients = 'PersistedQueryNotFound';

/**
 * A document is trusted if the manifest holds it, or if an `admin` key of the tenant registered it: that is how a tenant says what
 * its partners' keys may run. Other keys register too, which saves bytes and grants nothing.
 */
export function createTrustedDocuments(deps: TrustedDocumentsDeps): TrustedDocuments {
  const texts = createLru<string, string>(keptTexts);

  async function registered(tenantId: string, trusted: boolean, hash: string): Promise<string | null> {
    const key = registryKey(tenantId, trusted, hash);
    const known = texts.get(key) ?? (await deps.cache.get(key));
    if (known !== null) texts.set(key, known);
    return known;
  }
  async function register(principal: Principal, hash: string, text: string): Promise<void> {
    const trusts = principal.scopes.includes('admin') && principal.partnerId === null;
    for (const trusted of trusts ? [true, false] : [false]) {
      const key = registryKey(principal.tenantId, trusted, hash);
      if (texts.get(key) === text) continue;
      texts.set(key, text);
      await deps.cache.set(key, text, { ttlMs: registeredForMs });
    }
  }
  async function isTrusted(tenantId: string, hash: string): Promise<boolean> {
    return deps.manifest().has(hash) || (await registered(tenantId, true, hash)) !== null;
  }

  return {
    async textOf(params, principal) {
      const hash = hashOf(params);
      const text = typeof params.query === 'string' && params.query !== '' ? params.query : null;
      if (text === null) {
        if (hash === null)
          throw new CodedError('BODY_UNPARSABLE', { message: 'There is neither query nor document id.' });
        const known = deps.manifest().get(hash) ?? (await registered(principal.tenantId, principal.trustedOnly, hash));
        if (known !== null) return known;
        if (principal.trustedOnly) throw new CodedError('DOCUMENT_NOT_TRUSTED');
        throw new CodedError('DOCUMENT_UNKNOWN', { message: unknownToClients });
      }
      if (hash === null && !principal.trustedOnly) return text;
      const own = sha256Hex(text);
      if (hash !== null && hash !== own && deps.manifest().get(hash) !== text) {
        throw new CodedError('BAD_USER_INPUT', { message: 'The hash is not the SHA-256 of the query.' });
      }
      if (principal.trustedOnly) {
        if (!(await isTrusted(principal.tenantId, own))) throw new CodedError('DOCUMENT_NOT_TRUSTED');
      } else if (hash === own) await register(principal, own, text);
      return text;
    },
  };
}

/** Whether the request names its document by hash. */
export function isPersisted(params: DocumentParams): boolean {
  return hashOf(params) !== null;
}

function hashOf({ documentId, extensions }: DocumentParams): string | null {
  if (typeof documentId === 'string' && documentId !== '') return documentId.replace(/^sha256:/, '');
  const persisted = extensions?.['persistedQuery'];
  if (persisted === undefined || persisted === null) return null;
  const hash = (persisted as { sha256Hash?: unknown }).sha256Hash;
  if (typeof hash === 'string' && hash !== '') return hash.toLowerCase();
  throw new CodedError('BAD_USER_INPUT', { message: 'extensions.persistedQuery wants a sha256Hash.' });
}

/** A registration costs memory of all; its key names the tenant, as every key of the cache does. */
function registryKey(tenantId: string, trusted: boolean, hash: string): string {
  return `${tenantId}:${trusted ? 'trusted-document' : 'document'}:${hash}`;
}
