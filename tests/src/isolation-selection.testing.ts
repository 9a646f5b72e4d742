import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

/** What fields below a root are asked with; a field that needs anything else is left out. */
const literals: Readonly<Record<string, string>> = {
  range: '{ lastDays: 2 }',
  horizonDays: '90',
  models: '[LINEAR]',
  metric: 'REVENUE',
  grain: 'DAY',
  includeArchived: 'true',
};

function argumentsOf(field: GraphQLField<unknown, unknown>): string | null {
  if (field.args.some((arg) => isRequiredArgument(arg) && !(arg.name in literals))) return null;
  const given = field.args.filter((arg) => arg.name in literals).map((arg) => `${arg.name}: ${literals[arg.name]}`);
  return given.length === 0 ? '' : `(${given.join(', ')})`;
}

/** Everything that can be asked of a type, `depth` objects deep: the more is asked, the more could leak. */
export function selectionOf(type: GraphQLOutputType, depth: number, above: readonly string[] = []): string {
  const named = getNamedType(type);
  if (isLeafType(named)) return '';
  if (!isObjectType(named)) return '{ __typename }';
  const parts = Object.values(named.getFields()).flatMap((field) => {
    const given = argumentsOf(field);
    const inner = getNamedType(field.type);
    if (given === null) return [];
    if (isLeafType(inner)) return [`${field.name}${given}`];
    // The parts of a page are no step down.
    const step = /Edge$|^PageInfo$|^Money$/.test(inner.name) || /Edge$/.test(named.name) ? 0 : 1;
    if (depth < step || above.includes(inner.name)) return [];
    return [`${field.name}${given} ${selectionOf(field.type, depth - step, [...above, named.name])}`];
  });
  return `{ ${parts.length === 0 ? '__typename' : parts.join(' ')} }`;
}

export interface Given {
  readonly name: string;
  readonly value: unknown;
}

/** A root field with its arguments as variables, under an alias. */
export interface RootCall {
  readonly alias: string;
  readonly field: string;
  readonly given: readonly Given[];
}

/** One document of one or more calls of root fields. */
export function documentOf(
  schema: GraphQLSchema,
  operation: 'query' | 'mutation' | 'subscription',
  calls: readonly RootCall[],
  depth = 2,
): { readonly query: string; readonly variables: Readonly<Record<string, unknown>> } {
  const variables: Record<string, unknown> = {};
  const declared: string[] = [];
  const selections = calls.map(({ alias, field: name, given }) => {
    const field = rootOf(schema, operation).getFields()[name]!;
    const args = given.map(({ name: arg, value }) => {
      const variable = `${alias}_${arg}`;
      variables[variable] = value;
      declared.push(`$${variable}: ${field.args.find((one) => one.name === arg)!.type}`);
      return `${arg}: $${variable}`;
    });
    const call = args.length === 0 ? '' : `(${args.join(', ')})`;
    return `${alias}: ${name}${call} ${selectionOf(field.type, depth)}`;
  });
  const head = declared.length === 0 ? '' : ` (${declared.join(', ')})`;
  return { query: `${operation}${head} { ${selections.join(' ')} }`, variables };
}

export function rootOf(schema: GraphQLSchema, operation: 'query' | 'mutation' | 'subscription'): GraphQLObjectType {
  const types = {
    query: schema.getQueryType(),
    mutation: schema.getMutationType(),
    subscription: schema.getSubscriptionType(),
  };
  return types[operation]!;
}
