import { GraphQLError } from 'graphql';
import { inspectOperation } from './limits.ts';

const times = (count: number, text: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => text(at)).join(' ');

/** What the text is refused with; null = it may run. */
function refusalOf(query: string, operationName: string | null = null): unknown {
  try {
    inspectOperation(query, operationName);
    return null;
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return (error.extensions['details'] as { what: string } | undefined)?.what ?? error.extensions['code'];
  }
}

describe('an operation', () => {
  it.each([
    ['16 levels', `{ ${'a { '.repeat(15)} b ${'}'.repeat(15)} }`],
    ['60 aliases', `{ ${times(60, (at) => `a${at}: b`)} }`],
    [
      '60 fragments that want the same three fields',
      `{ a { ${times(60, (at) => `...f${at}`)} } } ${times(60, (at) => `fragment f${at} on A { id name type }`)}`,
    ],
    [
      'a fragment that 300 places share',
      `{ ${times(300, (at) => `f${at} { ...m }`)} } fragment m on M { amount currency }`,
    ],
    ['one look at the whole schema', '{ __schema { types { name } } __typename }'],
    ['50 operations', times(50, (at) => `query q${at} { a }`), 'q7'],
  ])('of %s may run', (_what, query, operationName: string | null = null) => {
    expect(refusalOf(query, operationName)).toBeNull();
  });

  it.each([
    ['17 levels', `{ ${'a { '.repeat(16)} b ${'}'.repeat(16)} }`, 'levels'],
    ['100 levels of fragments', `{ ${'... { '.repeat(100)} a ${'}'.repeat(100)} }`, 'levels, fragments counted'],
    ['61 aliases', `{ ${times(61, (at) => `a${at}: b`)} }`, 'aliases'],
    ['one field 150 times', `{ ${times(150, () => 'a { b }')} }`, 'pairs of fields that merge'],
    [
      'one field 150 times, by as many fragments',
      `{ ${times(150, (at) => `...f${at}`)} } ${times(150, (at) => `fragment f${at} on Q { a }`)}`,
      'pairs of fields that merge',
    ],
    [
      'fields that repeat level by level',
      (() => {
        let inner = 'id';
        for (let level = 0; level < 8; level += 1) inner = `a { ${inner} } a { ${inner} }`;
        return `{ ${inner} }`;
      })(),
      'pairs of fields that merge',
    ],
    ['4 looks at the schema', `{ ${times(4, (at) => `a${at}: __type(name: "A") { name }`)} }`, 'introspection fields'],
    ['51 operations', times(51, (at) => `query q${at} { a }`), 'operations', 'q7'],
    [
      'another that is not asked for',
      `query q7 { a } query b { ${times(150, () => 'a')} }`,
      'pairs of fields that merge',
      'q7',
    ],
    ['a fragment that is not used', '{ a } fragment F on Q { a }', 'GRAPHQL_VALIDATION_FAILED'],
    ['two fragments of one name', '{ ...F } fragment F on Q { a } fragment F on Q { b }', 'GRAPHQL_VALIDATION_FAILED'],
  ])('of %s is refused', (_what, query, what, operationName: string | null = null) => {
    expect(refusalOf(query, operationName)).toBe(what);
  });

  it.each([
    [2, 'GRAPHQL_VALIDATION_FAILED later', null],
    [3, 'selections', 'selections'],
    [20, 'levels', 'levels'],
  ])('of %d fragments in a circle ends the walk: %s', (count, _how, what) => {
    const each = (at: number) =>
      `fragment f${at} on Q { ${count === 2 ? '' : `x${at} {`} ${times(count, (to) => `...f${to}`)} ${count === 2 ? '' : '}'} }`;
    expect(refusalOf(`{ ...f0 } ${times(count, each)}`)).toBe(what);
  });
});
