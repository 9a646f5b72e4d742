import { CodedError, type DirectoryApp, parsePersonId, trimDecimal } from '@tributary/schema';
import {
  asIdEntity,
  type IdReference,
  operationNow,
  refusePartner,
  requireApp,
  type SubgraphContext,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import { personLoader } from '../loaders.ts';
import { type PersonFacts, type PersonReader, personLookbackDays } from '../person-reader.ts';

function personNotFound(id: string): CodedError {
  return new CodedError('NOT_FOUND', { message: 'There is no person of that id.', details: { id } });
}

/** Who an id names, and their app if the caller may read it. Throws NOT_FOUND. */
function requirePerson(
  context: SubgraphContext,
  deps: SubgraphDeps,
  id: string,
): { readonly app: DirectoryApp; readonly deviceKey: string } {
  const parts = parsePersonId(id);
  if (!parts) throw personNotFound(id);
  refusePartner(context);
  return { app: requireApp(context, deps.directory, parts.appId), deviceKey: parts.deviceKey };
}

type FactsOf = (
  id: string,
  context: SubgraphContext,
) => Promise<{ readonly app: DirectoryApp; readonly facts: PersonFacts | null }>;

function addPersonType({ builder, Money }: SubgraphKit, deps: SubgraphDeps, factsOf: FactsOf) {
  const Person = builder.objectRef<IdReference>('Person');
  Person.implement({
    tag: 'personal',
    description: `Someone known by the device they use an app on; facts of their last ${personLookbackDays} days.`,
    fields: (t) => ({
      id: t.exposeID('id', { description: 'App and device key, `app:device`.' }),
      appId: t.id({
        description: 'Their app.',
        resolve: ({ id }, _args, context) => requirePerson(context, deps, id).app.appId,
      }),
      firstSeenAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Their first event; null when none is stored.',
        resolve: async ({ id }, _args, context) => (await factsOf(id, context)).facts?.firstSeenAt,
      }),
      lastSeenAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Their latest event; null when none is stored.',
        resolve: async ({ id }, _args, context) => (await factsOf(id, context)).facts?.lastSeenAt,
      }),
      eventCount: t.int({
        description: 'Their events.',
        resolve: async ({ id }, _args, context) => (await factsOf(id, context)).facts?.eventCount ?? 0,
      }),
      revenue: t.field({
        type: Money,
        description: 'What they brought, refunds taken off, in the currency of the app.',
        resolve: async ({ id }, _args, context) => {
          const { app, facts } = await factsOf(id, context);
          return { amount: trimDecimal(facts?.revenue ?? '0'), currency: app.currency };
        },
      }),
    }),
  });
  asIdEntity(builder, Person);
  return Person;
}

/** `Person` and `Query.person`. */
export function addPerson(kit: SubgraphKit, deps: SubgraphDeps, reader: PersonReader): TypeRef<IdReference> {
  const factsOf: FactsOf = async (id, context) => {
    const { app, deviceKey } = requirePerson(context, deps, id);
    const loader = personLoader(context, reader, app, operationNow(context, deps.clock));
    return { app, facts: await loader.load(deviceKey) };
  };
  const Person = addPersonType(kit, deps, factsOf);
  kit.builder.queryField('person', (t) =>
    t.field({
      type: Person,
      nullable: true,
      tag: 'personal',
      description: 'One person. NOT_FOUND when no event of theirs is stored, or the app is not yours.',
      args: { id: t.arg.id({ required: true, description: '`app:device`' }) },
      resolve: async (_root, { id }, context) => {
        if ((await factsOf(id, context)).facts === null) throw personNotFound(id);
        return { id };
      },
    }),
  );
  return Person;
}
