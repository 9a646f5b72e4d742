import type { ErrorCode } from '@tributary/schema';

export interface Abuse {
  readonly name: string;
  /** What the operation is refused with. */
  readonly code: ErrorCode;
  readonly operation: AbusiveOperation;
}

export interface AbusiveOperation {
  readonly query: string;
  readonly operationName?: string;
  readonly variables?: Readonly<Record<string, unknown>>;
}

const times = (count: number, text: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => text(at)).join(' ');
const ids = (count: number) => Array.from({ length: count }, (_, at) => `id_${at}`);
const wrapped = (count: number, open: string, inner: string) => `${open.repeat(count)}${inner}${'}'.repeat(count)}`;
const dayMs = 86_400_000;

/**
 * Operations that cost their sender little and an unguarded gateway much, over the product's own graph. Each is one operation, so
 * it can be sent over any transport; what is wrong with a request as such (batches, bodies) is not in here.
 */
export function abusesOf(appId: string, now: number): readonly Abuse[] {
  const fiveYears = { from: new Date(now - 5 * 365 * dayMs).toISOString(), to: new Date(now).toISOString() };
  const report = (more: string) =>
    `report(appIds: ["${appId}"], metrics: [EVENTS], range: { lastDays: 7 } ${more}) { currency }`;
  const twice = times(900, () => 'apps { id }');
  const refused = (name: string, code: ErrorCode, query: string, variables?: AbusiveOperation['variables']): Abuse => ({
    ...{ name, code },
    operation: { query, ...(variables ? { variables } : {}) },
  });
  return [
    refused(
      'a depth bomb',
      'OPERATION_TOO_LARGE',
      `{ app(id: "${appId}") { trackingLinks { ${wrapped(500, 'campaign { ', 'id ')} } } }`,
    ),
    refused(
      'an alias bomb',
      'OPERATION_TOO_LARGE',
      `{ ${times(1_000, (at) => `a${at}: app(id: "${appId}") { name }`)} }`,
    ),
    refused('an alias bomb of few tokens', 'OPERATION_TOO_LARGE', `{ ${times(600, (at) => `a${at}: __typename`)} }`),
    refused(
      'an introspection bomb',
      'OPERATION_TOO_LARGE',
      `{ ${times(50, (at) => `a${at}: __schema { types { fields { name } } }`)} }`,
    ),
    refused(
      'a fragment cycle',
      'GRAPHQL_VALIDATION_FAILED',
      '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }',
    ),
    refused(
      'a mesh of fragment cycles',
      'GRAPHQL_VALIDATION_FAILED',
      `{ ...f0 } ${times(40, (at) => `fragment f${at} on Query { ${times(40, (to) => `...f${to}`)} }`)}`,
    ),
    refused(
      'a fragment bomb',
      'OPERATION_TOO_LARGE',
      `{ ...f0 } ${times(12, (at) => `fragment f${at} on Query { ${at < 11 ? `...f${at + 1} `.repeat(8) : '__typename'} }`)}`,
    ),
    refused('a field repeated', 'OPERATION_TOO_LARGE', `{ ${twice} }`),
    refused(
      'fragments that repeat a field',
      'OPERATION_TOO_LARGE',
      `{ ${times(200, (at) => `...f${at}`)} } ${times(200, (at) => `fragment f${at} on Query { apps { id } }`)}`,
    ),
    refused(
      'a bomb in a fragment that is not used',
      'GRAPHQL_VALIDATION_FAILED',
      `{ __typename } fragment F on Query { ${twice} }`,
    ),
    {
      ...refused(
        'a bomb in an operation that is not asked for',
        'OPERATION_TOO_LARGE',
        `query A { __typename } query B { ${twice} }`,
      ),
      operation: { query: `query A { __typename } query B { ${twice} }`, operationName: 'A' },
    },
    refused('nested inline fragments', 'OPERATION_TOO_LARGE', `{ apps { ${wrapped(1_300, '... { ', 'id ')} } }`),
    refused(
      'a chain of fragments',
      'OPERATION_TOO_LARGE',
      `{ ...f0 } ${times(400, (at) => `fragment f${at} on Query { ${at < 399 ? `...f${at + 1}` : '__typename'} }`)}`,
    ),
    refused('a directive bomb', 'OPERATION_TOO_LARGE', `{ __typename ${'@include(if: true) '.repeat(1_000)} }`),
    refused('unknown fields', 'GRAPHQL_VALIDATION_FAILED', `{ ${times(3_900, (at) => `x${at}`)} }`),
    refused('a field of 200 KB', 'GRAPHQL_VALIDATION_FAILED', `{ ${'x'.repeat(200_000)} }`),
    refused(
      '900 variables',
      'GRAPHQL_VALIDATION_FAILED',
      `query (${times(900, (at) => `$v${at}: Int`)}) { __typename }`,
    ),
    refused(
      '10,000 elements of `in` in a variable',
      'OPERATION_TOO_LARGE',
      `query ($in: [String!]) { ${report('filters: [{ dimension: COUNTRY, in: $in }]')} }`,
      { in: ids(10_000) },
    ),
    refused(
      '10,000 literal elements of `in`',
      'OPERATION_TOO_LARGE',
      `{ ${report(`filters: [{ dimension: COUNTRY, in: [${times(10_000, (at) => `"c${at}"`)}] }]`)} }`,
    ),
    refused(
      '10,000 ids',
      'OPERATION_TOO_LARGE',
      'query ($ids: [ID!]!) { report(appIds: $ids, metrics: [EVENTS], range: { lastDays: 7 }) { currency } }',
      { ids: ids(10_000) },
    ),
    refused(
      '10,000 ids of a subscription',
      'OPERATION_TOO_LARGE',
      `subscription ($ids: [ID!]) { installAttributed(appId: "${appId}", campaignIds: $ids) { cursor } }`,
      { ids: ids(10_000) },
    ),
    refused(
      'variables of 1,000 levels',
      'OPERATION_TOO_LARGE',
      'query ($range: TimeRange!) { report(appIds: [], metrics: [EVENTS], range: $range) { currency } }',
      { range: nested(1_000) },
    ),
    refused(
      'a report of 5 years by minute',
      'RANGE_TOO_LARGE',
      `query ($range: TimeRange!) { report(appIds: ["${appId}"], metrics: [EVENTS, PEOPLE], grain: MINUTE, range: $range) { currency } }`,
      { range: fiveYears },
    ),
    refused(
      'a series of 5 years by minute',
      'BAD_USER_INPUT',
      `query ($range: TimeRange!) { app(id: "${appId}") { timeseries(metric: PEOPLE, grain: MINUTE, range: $range) { at } } }`,
      { range: fiveYears },
    ),
    refused(
      'a million rows',
      'COST_LIMIT_EXCEEDED',
      `{ installs(appId: "${appId}", first: 1000000, range: { lastDays: 7 }) { edges { cursor } } }`,
    ),
    refused(
      'more than one query may cost',
      'COST_LIMIT_EXCEEDED',
      `{ ${times(55, (at) => `a${at}: installs(appId: "${appId}", first: 100, range: { lastDays: 7 }) { edges { node { id } } }`)} }`,
    ),
  ];
}

function nested(levels: number): Record<string, unknown> {
  let value: Record<string, unknown> = {};
  for (let level = 0; level < levels; level += 1) value = { from: value };
  return value;
}
