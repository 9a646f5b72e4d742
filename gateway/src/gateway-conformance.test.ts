import { serverAudits } from 'graphql-http';
import { apiKey, startTestGateway, type TestGateway } from './testing/harness.testing.ts';

/** graphql-http's suite of GraphQL over HTTP. What it calls an error is a MUST of the specification. */
describe('GraphQL over HTTP', () => {
  let test: TestGateway;
  beforeAll(async () => {
    test = await startTestGateway();
  });
  afterAll(() => test.dispose());

  const audits = serverAudits({
    url: () => `${test.url}/graphql`,
    fetchFn: (url: string, init: RequestInit = {}) =>
      fetch(url, {
        ...init,
        headers: {
          ...(init.headers as Record<string, string>),
          authorization: `Bearer ${apiKey}`,
          'apollo-require-preflight': '1',
        },
      }),
  });

  it.each(audits.map((audit) => [audit.name, audit] as const))('%s', async (_name, audit) => {
    const result = await audit.fn();
    const reason = result.status === 'ok' ? '' : result.reason;
    expect([result.status === 'error', result.status === 'error' ? reason : '']).toEqual([false, '']);
  });
});
