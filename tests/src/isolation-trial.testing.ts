import { buildClientSchema, type GraphQLSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { type Answer, askSubgraph, download, get, listen, post, type Question } from './isolation-ask.testing.ts';
import { leaksOf } from './isolation-leaks.testing.ts';
import { byEntities, type Category, type Operation, operationsOf } from './isolation-operations.testing.ts';
import { documentOf, selectionOf } from './isolation-selection.testing.ts';
import { type Asker, trial, type Walls } from './isolation-walls.testing.ts';
import type { IsolationWorld, KeyName, TenantName } from './isolation-world.testing.ts';

export interface Leak {
  readonly operation: string;
  readonly category: Category;
  readonly foreign: boolean;
  readonly what: readonly string[];
}

export interface Outcome {
  readonly asked: number;
  readonly leaks: readonly Leak[];
  /** Of the owners who asked first: how many were answered, with something of theirs. */
  readonly warmed: { readonly asked: number; readonly answered: number };
  readonly opened: { readonly warehouse: number; readonly relational: number };
}

function askerOf(world: IsolationWorld, tenant: TenantName, key: KeyName): Asker {
  const { tenantId, partnerIds } = world.tenants[tenant];
  return { tenantId, partnerId: key === '1' || key === '2' ? partnerIds[key] : null };
}

async function schemaOf(world: IsolationWorld, key: string): Promise<GraphQLSchema> {
  const { data } = await post(world.product.url, key, { query: getIntrospectionQuery(), variables: {} });
  return buildClientSchema(data as unknown as IntrospectionQuery);
}

/** The operations of this world, made of the graph that it serves. */
export async function operationsIn(world: IsolationWorld): Promise<readonly Operation[]> {
  const { tenants, product } = world;
  const [whole, contract] = [await schemaOf(world, tenants.a.keys[0]), await schemaOf(world, tenants.a.keys[1])];
  return operationsOf(
    {
      ...{ tenants, whole, contract },
      async cursorOf({ tenant, share }, field, given) {
        const page = given.map((one) => (one.name === 'first' ? { ...one, value: 1 } : one));
        const question = documentOf(whole, 'query', [{ alias: 'it', field, given: page }], 0);
        const query = question.query.replace(/ \{ [^)]*\} \}$/, ' { pageInfo { endCursor } } }');
        const answer = await post(product.url, tenants[tenant].keys[share], { ...question, query });
        return /"endCursor":"([^"]+)"/.exec(answer.text)?.[1] ?? null;
      },
    },
    (one) =>
      byEntities({ tenants }, product.subgraphs, one, (schema, type) => selectionOf(schema.getType(type) as never, 1)),
  );
}

let urls = 0;

function ask(world: IsolationWorld, { via, subgraph }: Operation, key: string, asker: Asker, question: Question) {
  const { url, subgraphs } = world.product;
  if (via === 'listen') return listen(url, key, question, /qx[ab]/);
  // What the gateway remembers of a URL is of no use where it stands for nothing.
  if (via === 'get') return get(url, key, question, trial.walls.gateway || !trial.walls.sql ? '' : String(urls++));
  if (via === 'download') return download(url, key, question);
  if (via === 'post') return post(url, key, question);
  const caller = {
    ...asker,
    scopes: asker.partnerId === null ? ['read:reports' as const, 'read:personal' as const] : ['read:reports' as const],
  };
  return askSubgraph(subgraphs.find(({ name }) => name === subgraph)!, caller, question);
}

/** A fresh request key where the operation is a mutation; for the swapped one, the same for both who ask. */
function withRequestKey(operation: Operation, question: Question, place: number): Question {
  const input = question.variables['it_input'] as object | undefined;
  if (input === undefined) return question;
  const idempotencyKey = `${trial.setting} ${place}`;
  const names = operation.category === 'key' ? { name: idempotencyKey, network: idempotencyKey } : {};
  return { ...question, variables: { it_input: { ...input, ...names, idempotencyKey } } };
}

/** Asks all operations with these walls; each after its owner asked the same. */
export async function askAll(
  world: IsolationWorld,
  operations: readonly Operation[],
  setting: string,
  walls: Walls,
): Promise<Outcome> {
  Object.assign(trial, { setting, walls });
  Object.assign(trial.opened, { warehouse: 0, relational: 0 });
  const leaks: Leak[] = [];
  const asked = new Map<string, Answer>();
  const warmed = { asked: 0, answered: 0 };
  const inOrder = [...operations].sort((one, other) => Number(changes(one)) - Number(changes(other)));
  for (const [place, operation] of inOrder.entries()) {
    const { asker, owner, name, category, foreign } = operation;
    const theirs = world.tenants[owner.tenant];
    if (operation.warm !== null) {
      const question = withRequestKey(operation, operation.warm, place);
      const text = `${owner.tenant}${owner.share} ${operation.via} ${JSON.stringify(question)}`;
      if (!asked.has(text)) {
        trial.asker = askerOf(world, owner.tenant, owner.share);
        const answer = await ask(world, operation, theirs.keys[owner.share], trial.asker, question);
        asked.set(text, answer);
        warmed.asked += 1;
        if (answer.text.includes(`qx${owner.tenant}`) || answer.text.includes('"id":"')) warmed.answered += 1;
      }
    }
    const before = changes(operation) ? await world.rowsOf(theirs.tenantId) : '';
    trial.asker = askerOf(world, asker.tenant, asker.key);
    const question = withRequestKey(operation, operation.question, place);
    const answer = await ask(world, operation, world.tenants[asker.tenant].keys[asker.key], trial.asker, question);
    const what = [...leaksOf(operation, answer.text, world.tenants)];
    if (changes(operation) && before !== (await world.rowsOf(theirs.tenantId))) what.push('rows of theirs changed');
    if (category === 'key' && answer.text.includes('"repeated":true'))
      what.push('their request was taken for one of the asker');
    if (what.length > 0) leaks.push({ operation: name, category, foreign, what });
  }
  return { asked: inOrder.length, leaks, warmed, opened: { ...trial.opened } };
}

const changes = ({ category }: Operation) => category === 'mutation' || category === 'key';
