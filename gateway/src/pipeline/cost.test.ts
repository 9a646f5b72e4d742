import { buildSchema, parse } from 'graphql';
import { maxAgeOf } from './cache-policy.ts';
import { createOperationCost } from './cost.ts';
import { readHints } from './field-hints.ts';
import { inspectOperation } from './limits.ts';
import { shapeOperation } from './operation-shape.ts';

const sdl = `
  directive @cost(weight: String!) on FIELD_DEFINITION | OBJECT
  directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!]) on FIELD_DEFINITION
  directive @cacheControl(maxAge: Int, scope: Scope, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT
  enum Scope { PUBLIC PRIVATE }
  type Query {
    app(id: ID): App apps: [App!]! few: [App!]! @listSize(assumedSize: 3)
    page(first: Int = 20): Page! report(rows: Int!): Report! @listSize(slicingArguments: ["rows"], sizedFields: ["lines"]) byIds(ids: [ID!]!): [App!]!
    kept: App @cacheControl(maxAge: 60) short: Int @cacheControl(maxAge: 5) mine: App @cacheControl(maxAge: 60, scope: PRIVATE) plain: Int
  }
  type Mutation { rename(id: ID!): App }
  type Subscription { live: App }
  type App { id: ID! name: String! heavy: Int! @cost(weight: "40") parts: [Part!]! owner: Person inherits: Part @cacheControl(inheritMaxAge: true) }
  type Part { id: ID! } type Person { id: ID! }
  type Page { nodes: [App!]! total: Int! } type Report { lines: [Part!]! notes: [Part!]! }
`;
const schema = buildSchema(sdl);
const hints = readHints([parse(sdl)]);

function costOf(query: string) {
  const { document, operation } = inspectOperation(query, null);
  const roots = shapeOperation(schema, document, operation);
  return { cost: createOperationCost(operation.operation, roots, hints), maxAge: maxAgeOf(roots, hints) };
}

describe('static cost', () => {
  it.each([
    ['a scalar is free, an operation is not', '{ plain }', {}, 1],
    ['an object is a point', '{ app { id name } }', {}, 1],
    ['a list of unknown length counts as ten', '{ apps { parts { id } } }', {}, 10 + 10 * 10],
    ['@listSize says how long a list is', '{ few { id } }', {}, 3],
    ['first is for the connection’s lists', 'query ($n: Int) { page(first: $n) { nodes { id } total } }', { n: 7 }, 8],
    ['a default argument counts', '{ page { nodes { id } } }', {}, 21],
    [
      'slicing and sized fields are those of @listSize',
      '{ report(rows: 5) { lines { id } notes { id } } }',
      {},
      1 + 5 + 10,
    ],
    ['a list of ids bounds its answer', 'query ($ids: [ID!]!) { byIds(ids: $ids) { id } }', { ids: ['a', 'b'] }, 2],
    ['@cost replaces the weight', '{ app { heavy } }', {}, 41],
    ['what is repeated counts once', '{ app { id } app { name } ...A } fragment A on Query { app { id } }', {}, 1],
    ['aliases count each', '{ a: app { id } b: app { id } }', {}, 2],
    [
      'what variables leave out is free',
      'query ($w: Boolean!) { app { id parts @include(if: $w) { id } } }',
      { w: false },
      1,
    ],
    [
      'what variables let in counts',
      'query ($w: Boolean!) { app { id parts @include(if: $w) { id } } }',
      { w: true },
      11,
    ],
    ['a mutation costs ten more', 'mutation { rename(id: 1) { id } }', {}, 11],
    ['a subscription costs ten more', 'subscription { live { id } }', {}, 11],
  ])('%s', (_title, query, variables, expected) => {
    expect(costOf(query).cost.requested(variables)).toBe(expected);
  });

  it('is made actual by counting the answer, and never more than was requested', () => {
    const { cost } = costOf('{ page(first: 50) { nodes { parts { id } } } }');
    expect(cost.requested({})).toBe(1 + 50 * 11);
    expect(cost.actual({ page: { nodes: [{ parts: [{ id: 1 }, { id: 2 }] }, { parts: [] }] } }, {})).toBe(5);
    expect(cost.actual(null, {})).toBe(1);
    expect(costOf('{ few { id } }').cost.actual({ few: Array.from({ length: 90 }, () => ({ id: 1 })) }, {})).toBe(3);
  });
});

describe('how long an answer may be kept', () => {
  it.each([
    ['{ kept { id } }', 60],
    ['{ kept { id } short }', 5],
    ['{ kept { id } plain }', 0],
    ['{ kept { owner { id } } }', 0],
    ['{ kept { inherits { id } } }', 60],
    ['{ mine { id } }', 0],
    ['{ app { id } }', 0],
    ['{ __typename }', 0],
  ])('%s is kept for %i s', (query, seconds) => {
    expect(costOf(query).maxAge).toBe(seconds);
  });
});
