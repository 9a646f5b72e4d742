import { createHash } from 'node:crypto';

export interface Answer {
  readonly data: Record<string, unknown> | null | undefined;
  readonly errors: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
  /** The whole answer as it came. */
  readonly text: string;
}

export type Ask = (query: string, variables?: Record<string, unknown>, persisted?: boolean) => Promise<Answer>;

/** Asks over HTTP: by POST, or by GET with the document's hash, as persisted operations are. */
export function askOf(url: string, key: string): Ask {
  return async (query, variables = {}, persisted = false) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const extensions = { persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') } };
    const params = { query, variables: JSON.stringify(variables), extensions: JSON.stringify(extensions) };
    const response = persisted
      ? await fetch(`${url}/graphql?${new URLSearchParams(params)}`, { headers })
      : await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
    const text = await response.text();
    const { data, errors = [] } = JSON.parse(text) as Partial<Answer>;
    return { data, errors, text };
  };
}
