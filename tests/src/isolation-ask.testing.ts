import { createHash } from 'node:crypto';
import { type Caller, signCaller } from '@tributary/schema';
import type { Subgraph } from '@tributary/subgraphs/types';
import { isolationSecret } from './isolation-product.testing.ts';

export interface Answer {
  readonly data: Record<string, unknown> | null | undefined;
  readonly errors: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
  /** The whole answer as it came. */
  readonly text: string;
}

export interface Question {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

function answerOf(text: string): Answer {
  const { data, errors = [] } = JSON.parse(text) as Partial<Answer>;
  return { data, errors, text };
}

const headersOf = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });

export async function post(url: string, key: string, question: Question): Promise<Answer> {
  const request = { method: 'POST', headers: headersOf(key), body: JSON.stringify(question) };
  return answerOf(await (await fetch(`${url}/graphql`, request)).text());
}

/** By GET with the document's hash beside its text, as clients of persisted operations send it first. `apart` makes the URL another. */
export async function get(url: string, key: string, { query, variables }: Question, apart = ''): Promise<Answer> {
  const sha256Hash = createHash('sha256').update(query).digest('hex');
  const params = {
    query,
    variables: JSON.stringify(variables),
    ...(apart === '' ? {} : { apart }),
    extensions: JSON.stringify({ persistedQuery: { version: 1, sha256Hash } }),
  };
  const headers = { ...headersOf(key), 'apollo-require-preflight': 'true' };
  return answerOf(await (await fetch(`${url}/graphql?${new URLSearchParams(params)}`, { headers })).text());
}

/** The payloads of a subscription until one tells something, or it ends, or nothing came for long. */
export async function listen(
  url: string,
  key: string,
  question: Question,
  tells: RegExp,
  waitMs = 3_000,
): Promise<Answer> {
  const gone = new AbortController();
  const timer = setTimeout(() => gone.abort(), waitMs);
  let text = '';
  try {
    const request = { method: 'POST', headers: headersOf(key), body: JSON.stringify(question), signal: gone.signal };
    const response = await fetch(`${url}/graphql/stream`, request);
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('event: complete') || tells.test(text)) break;
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    gone.abort();
  }
  return { data: undefined, errors: [], text };
}

/** Asks for an export's link and fetches what it leads to. */
export async function download(url: string, key: string, question: Question): Promise<Answer> {
  const answer = await post(url, key, question);
  const link = /\/exports\/[^"]+/.exec(answer.text)?.[0];
  if (link === undefined) return answer;
  const file = await (await fetch(`${url}${link}`)).text();
  return { ...answer, text: `${answer.text}\n${file}` };
}

/** Asks a subgraph without the gateway, as a caller whom the gateway signed. */
export async function askSubgraph(
  subgraph: Subgraph,
  caller: Pick<Caller, 'tenantId' | 'partnerId' | 'scopes'>,
  question: Question,
): Promise<Answer> {
  const signed = {
    ...caller,
    appIds: null,
    keyId: 'key_direct',
    requestId: 'isolation',
    expiresAt: Date.now() + 60_000,
  };
  const body = JSON.stringify({ ...question, extensions: { caller: signCaller(signed, isolationSecret) } });
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const response = await subgraph.fetch(new Request('http://subgraph/graphql', { method: 'POST', headers, body }));
  return answerOf(await response.text());
}
