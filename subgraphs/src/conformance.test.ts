import { createMemoryCache } from '@tributary/platform/cache/memory';
import type { SubgraphName } from '@tributary/schema';
import { type AuditFail, serverAudits } from 'graphql-http';
import { createAttributionSubgraph } from '../attribution/index.ts';
import { createCampaignsSubgraph } from '../campaigns/index.ts';
import { createEventsSubgraph } from '../events/index.ts';
import { createPredictionsSubgraph } from '../predictions/index.ts';
import { aCallerToken, someDeps } from './kit.testing.ts';
import { type SubgraphServer, serveSubgraph } from './kit.ts';
import type { Subgraph, SubgraphDeps } from './types.ts';

const caller = aCallerToken({ tenantId: 'ten_a' });

const factories: Readonly<Record<SubgraphName, (deps: SubgraphDeps) => Subgraph>> = {
  events: (deps) => createEventsSubgraph(deps),
  campaigns: (deps) => createCampaignsSubgraph({ ...deps, relational: {} as never }),
  attribution: (deps) => createAttributionSubgraph(deps),
  predictions: (deps) => createPredictionsSubgraph(deps),
};

/** The audits know nothing of callers: each request gets one, where what it says for extensions leaves room. */
function asCaller(url: string, init: RequestInit = {}): Promise<Response> {
  if (init.method !== 'POST') {
    const asked = new URL(url);
    asked.searchParams.set('extensions', JSON.stringify({ caller }));
    return fetch(asked, init);
  }
  return fetch(url, typeof init.body === 'string' ? { ...init, body: withCaller(init.body) } : init);
}

function withCaller(text: string): string {
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(text);
  } catch {
    return text;
  }
  const extensions = body['extensions'] ?? {};
  if (typeof extensions !== 'object' || Array.isArray(extensions)) return text;
  return JSON.stringify({ ...body, extensions: { ...extensions, caller } });
}

/** graphql-http's suite of GraphQL over HTTP, against each subgraph as its role serves it: all that it asks, hints included. */
describe.each(Object.entries(factories))('GraphQL over HTTP of the %s subgraph', (_subgraph, create) => {
  let subgraph: Subgraph;
  let server: SubgraphServer;
  beforeAll(async () => {
    subgraph = create(someDeps({ cache: createMemoryCache() }));
    server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    await server.dispose();
    await subgraph.dispose();
  });

  const audits = serverAudits({ url: () => server.url, fetchFn: asCaller });

  it.each(audits.map((audit) => [audit.name, audit] as const))('%s', async (_name, audit) => {
    const result = await audit.fn();
    expect([result.status, (result as AuditFail).reason]).toEqual(['ok', undefined]);
  });

  it('refuses what no caller signed with 401', async () => {
    const refused = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ __typename }' }),
    });
    expect(refused.status).toBe(401);
  });
});
