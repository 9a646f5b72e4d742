import { readFile } from 'node:fs/promises';
import {
  buildSchema,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import { apiSchemaOf, breakingChanges } from '../../.ci/api-files.ts';

const read = (name: string) => readFile(new URL(`../../schema/graphql/${name}`, import.meta.url), 'utf8');

interface Member {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly deprecationReason?: string | null | undefined;
}

/** Every type, field, argument, input field and enum value, by its path. Relay's connection types say by their form what they are. */
function membersOf(schema: GraphQLSchema): Map<string, Member> {
  const members = new Map<string, Member>();
  const types = Object.values(schema.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type) && !/(Connection|Edge)$/.test(type.name),
  );
  for (const type of types) {
    if (!['Query', 'Mutation', 'Subscription'].includes(type.name)) members.set(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) members.set(`${type.name}.${value.name}`, value);
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      members.set(`${type.name}.${field.name}`, field);
      for (const arg of 'args' in field ? field.args : []) members.set(`${type.name}.${field.name}(${arg.name})`, arg);
    }
  }
  return members;
}

describe('the API as its clients see it', () => {
  it('describes every type, field, argument and value', async () => {
    const members = membersOf(buildSchema(await read('api.graphql')));
    const silent = [...members].filter(([path, { description }]) => !/^PageInfo/.test(path) && !description?.trim());
    expect(silent.map(([path]) => path)).toEqual([]);
    expect(members.size).toBeGreaterThan(150);
  });

  it('names fields and arguments in camel case, types in Pascal case, values in capitals', async () => {
    const schema = buildSchema(await read('api.graphql'));
    const strange = [...membersOf(schema).keys()].filter((path) => {
      const [type, member] = path.split(/[.(]/, 2) as [string, string | undefined];
      if (!/^[A-Z][A-Za-z0-9]*$/.test(type)) return true;
      if (member === undefined) return false;
      return isEnumType(schema.getType(type)) ? !/^[A-Z][A-Z0-9_]*$/.test(member) : !/^[a-z][A-Za-z0-9]*$/.test(member);
    });
    expect(strange).toEqual([]);
  });

  it('gives every deprecation the day from which the field may go', async () => {
    const deprecated = [...membersOf(buildSchema(await read('api.graphql')))].filter(
      ([, member]) => member.deprecationReason,
    );
    const undated = deprecated.filter(([, { deprecationReason }]) => !/\d{4}-\d\d-\d\d/.test(deprecationReason!));
    expect(undated.map(([path]) => path)).toEqual([]);
  });

  it('is the composed supergraph without what belongs to the machine room', async () => {
    const api = apiSchemaOf(await read('supergraph.graphql'));
    expect(api.getQueryType()!.getFields()).not.toHaveProperty('_entities');
    expect(api.getType('join__FieldSet')).toBeUndefined();
  });
});

describe('a change of the API', () => {
  const changed = async (edit: (sdl: string) => string) =>
    breakingChanges(buildSchema(edit(await read('released.graphql'))));

  it('that takes a field away is named as breaking', async () => {
    const breaks = await changed((sdl) => sdl.replace(/\n {2}"""[^"]*"""\n {2}currency: String!/, ''));
    expect(breaks).toEqual([expect.stringContaining('currency')]);
  });

  it('that adds a field is none', async () => {
    expect(await changed((sdl) => sdl.replace('type Query {', 'type Query {\n  "New."\n  novelty: Int\n'))).toEqual([]);
  });
});
