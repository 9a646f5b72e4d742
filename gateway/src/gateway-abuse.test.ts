import { apiKey, startTestGateway, type TestGateway } from './testing/harness.testing.ts';

/** Each attack is answered by a coded error, and the gateway goes on answering. */
describe('abuse', () => {
  let test: TestGateway;
  beforeAll(async () => {
    test = await startTestGateway();
  });
  afterAll(() => test.dispose());

  const raw = async (body: string) => {
    const response = await fetch(`${test.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body,
    });
    return (await response.json()) as { errors?: readonly { extensions: { code: string } }[] };
  };
  const list = (length: number) => Array.from({ length }, (_, at) => `cmp_${at}`);

  it.each([
    [
      'a depth bomb',
      { query: `{ campaign(id: 1) { ${'twin { '.repeat(500)} id ${'} '.repeat(500)} } }` },
      'OPERATION_TOO_LARGE',
    ],
    [
      'an alias bomb',
      {
        query: `{ ${list(1_000)
          .map((id) => `${id}: now`)
          .join(' ')} }`,
      },
      'OPERATION_TOO_LARGE',
    ],
    [
      'a fragment cycle',
      { query: '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }' },
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'a fragment bomb',
      {
        query: `{ ...f0 } ${list(12)
          .map((_, at) => `fragment f${at} on Query { ${at < 11 ? `...f${at + 1} `.repeat(8) : 'now'} }`)
          .join(' ')}`,
      },
      'OPERATION_TOO_LARGE',
    ],
    ['a directive bomb', { query: `{ now ${'@include(if: true) '.repeat(400)} }` }, 'OPERATION_TOO_LARGE'],
    [
      'a list of 10,000 elements in a variable',
      { query: 'query ($ids: [ID!]!) { campaigns(ids: $ids) { id } }', variables: { ids: list(10_000) } },
      'OPERATION_TOO_LARGE',
    ],
    [
      'a literal list of 10,000 elements',
      {
        query: `{ campaigns(ids: [${list(10_000)
          .map((id) => `"${id}"`)
          .join(' ')}]) { id } }`,
      },
      'OPERATION_TOO_LARGE',
    ],
    [
      'more rows than the plan pays for',
      { query: '{ things(first: 1000000) { nodes { id } } }' },
      'COST_LIMIT_EXCEEDED',
    ],
    ['a batch of operations', Array.from({ length: 100 }, () => ({ query: '{ now }' })), 'BODY_UNPARSABLE'],
    ['a body over the limit', { query: '{ now }', variables: { x: 'x'.repeat(400_000) } }, 'PAYLOAD_TOO_LARGE'],
    [
      'deeply nested JSON',
      `{"query":"{ now }","variables":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}}`,
      'OPERATION_TOO_LARGE',
    ],
  ] as readonly [string, unknown, string][])(
    'by %s gets a coded error, and the gateway stays well',
    async (_name, body, code) => {
      const answer = await raw(typeof body === 'string' ? body : JSON.stringify(body));
      expect(answer.errors?.[0]?.extensions.code).toBe(code);
      expect(await raw('{"query":"{ now }"}')).toMatchObject({ data: { now: 0 } });
    },
  );
});
