import { createHash } from 'node:crypto';
import { canonicalJson } from '../json.ts';

export interface ResponseKeyParts {
  readonly tenantId: string;
  readonly supergraphId: string;
  readonly operationId: string;
  /** Coerced. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Two callers share an answer only if these are equal; see `rightsOf`. */
  readonly rights: string;
  readonly freshness: string;
}

/** The response cache's key. It begins with the tenant, as every key of the cache does, and holds all that decides the answer. */
export function responseKey({
  tenantId,
  supergraphId,
  operationId,
  variables,
  rights,
  freshness,
}: ResponseKeyParts): string {
  // Each part ends where the next begins: hashes have a fixed length, the others are JSON.
  const text = `${supergraphId}${operationId}${JSON.stringify(freshness)}${rights}${canonicalJson(variables)}`;
  return `${tenantId}:response:${createHash('sha1').update(text).digest('base64url')}`;
}
