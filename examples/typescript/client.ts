import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { print } from 'graphql';
import { createClient } from 'graphql-ws';

const url = process.env['GRAPHQL_URL'] ?? 'http://127.0.0.1:4000/graphql';
const key = process.env['API_KEY'] ?? '';

/** Runs one operation. Throws with the first error's code (docs/errors.md). */
export async function ask<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: print(document), variables }),
    signal: AbortSignal.timeout(30_000),
  });
  const { data, errors } = (await response.json()) as {
    data: Data;
    errors?: { message: string; extensions: { code: string } }[];
  };
  if (errors?.[0]) throw new Error(`${errors[0].extensions.code}: ${errors[0].message}`);
  return data;
}

/** The payloads of a subscription, until the loop over them ends. */
export async function* follow<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): AsyncGenerator<Data> {
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: { Authorization: `Bearer ${key}` },
  });
  try {
    for await (const { data, errors } of client.iterate<Data>({ query: print(document), variables })) {
      if (errors) throw new Error(errors.map(({ message }) => message).join(', '));
      if (data) yield data;
    }
  } finally {
    await client.dispose();
  }
}
