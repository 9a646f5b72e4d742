import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
} from 'graphql';

const roots = ['Query', 'Mutation', 'Subscription'] as const;

/** The whole API as one Markdown page: root fields first, then every type by name. Text comes from the descriptions alone. */
export function referencePage(schema: GraphQLSchema): string {
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .filter((type) => !(roots as readonly string[]).includes(type.name))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const parts = [
    '# API reference\n\nGenerated from the schema by `npm run schema:update`; the schema itself is `schema/graphql/api.graphql`.',
    ...roots.flatMap((name) => {
      const type = schema.getType(name);
      return isObjectType(type) ? [`## ${name}\n\n${fieldsOf(type.getFields())}`] : [];
    }),
    '## Types',
    ...types.map(typeSection),
  ];
  return `${parts.join('\n\n')}\n`;
}

function typeSection(type: GraphQLNamedType): string {
  return [`### ${type.name}`, `*${kindOf(type)}.* ${oneLine(type.description)}`, bodyOf(type)]
    .filter((part) => part.trim() !== '')
    .join('\n\n');
}

function kindOf(type: GraphQLNamedType): string {
  if (isEnumType(type)) return 'Enum';
  if (isInputObjectType(type)) return 'Input';
  if (isUnionType(type)) return 'Union';
  if (isInterfaceType(type)) return 'Interface';
  return isScalarType(type) ? 'Scalar' : 'Object';
}

function bodyOf(type: GraphQLNamedType): string {
  if (isEnumType(type))
    return table(
      ['value', ''],
      type.getValues().map((value) => [code(value.name), withDeprecation(value)]),
    );
  if (isUnionType(type))
    return type
      .getTypes()
      .map(({ name }) => `- ${linkTo(name)}`)
      .join('\n');
  if (isInputObjectType(type)) return fieldsOf(type.getFields());
  return isObjectType(type) || isInterfaceType(type) ? fieldsOf(type.getFields()) : '';
}

function fieldsOf(fields: Readonly<Record<string, GraphQLField<unknown, unknown> | GraphQLInputField>>): string {
  const rows = Object.values(fields).flatMap((field) => [
    [code(field.name), typeText(String(field.type)) + defaultOf(field), withDeprecation(field)],
    ...('args' in field ? field.args : []).map((arg) => [
      `– ${code(arg.name)}`,
      typeText(String(arg.type)) + defaultOf(arg),
      withDeprecation(arg),
    ]),
  ]);
  return table(['field, – argument', 'type', ''], rows);
}

function defaultOf(input: GraphQLField<unknown, unknown> | GraphQLInputField | GraphQLArgument): string {
  return 'defaultValue' in input && input.defaultValue !== undefined
    ? ` = ${code(JSON.stringify(input.defaultValue))}`
    : '';
}

function withDeprecation(member: { readonly description?: unknown; readonly deprecationReason?: unknown }): string {
  const text = oneLine(member.description);
  return member.deprecationReason ? `${text} **Deprecated:** ${oneLine(member.deprecationReason)}` : text;
}

/** `[Campaign!]!` with its name linked to its section. */
function typeText(type: string): string {
  const name = /[A-Za-z_]\w*/.exec(type)?.[0] ?? type;
  const isOurs = !['ID', 'String', 'Int', 'Float', 'Boolean'].includes(name);
  return type.replace(name, isOurs ? linkTo(name) : name).replaceAll('|', '\\|');
}

const linkTo = (name: string) => `[${name}](#${name.toLowerCase()})`;
const code = (text: string) => `\`${text}\``;
const oneLine = (text: unknown) =>
  (typeof text === 'string' ? text : '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
