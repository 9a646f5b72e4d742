import { printSubgraphSchema } from '@apollo/subgraph';
import { useApolloInlineTrace } from '@graphql-yoga/plugin-apollo-inline-trace';
import { DirectiveLocation, GraphQLDirective } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { cacheControl, createSubgraphBuilder } from '../src/kit.ts';

/**
 * The `products` subgraph that Apollo's federation compatibility suite asks for, made with our kit: the builder that our four
 * subgraphs are made with, and Yoga. Contents as the suite prescribes them.
 */
interface User {
  readonly email: string;
  readonly name: string;
  readonly totalProductsCreated?: number;
  readonly yearsOfEmployment?: number;
}
interface Study {
  readonly caseNumber: string;
  readonly description: string | null;
}
interface Research {
  readonly study: Study;
  readonly outcome: string | null;
}
interface Product {
  readonly id: string;
  readonly sku: string;
  readonly package: string;
  readonly variation: { readonly id: string };
  readonly research: readonly Research[];
}
interface Deprecated {
  readonly sku: string;
  readonly package: string;
  readonly reason: string | null;
}

const author: User = {
  email: 'support@apollographql.com',
  name: 'Jane Smith',
  totalProductsCreated: 1337,
  yearsOfEmployment: 10,
};
const deprecated: Deprecated = {
  sku: 'apollo-federation-v1',
  package: '@apollo/federation-v1',
  reason: 'Migrate to Federation V2',
};
const studies: readonly Research[] = [
  { study: { caseNumber: '1234', description: 'Federation Study' }, outcome: null },
  { study: { caseNumber: '1235', description: 'Studio Study' }, outcome: null },
];
const products: readonly Product[] = [
  {
    id: 'apollo-federation',
    sku: 'federation',
    package: '@apollo/federation',
    variation: { id: 'OSS' },
    research: studies.slice(0, 1),
  },
  { id: 'apollo-studio', sku: 'studio', package: '', variation: { id: 'platform' }, research: studies.slice(1) },
];
const dimensions = { size: 'small', weight: 1, unit: 'kg' };

type Kit = ReturnType<typeof createSubgraphBuilder>;

function addUser({ builder }: Kit) {
  const UserRef = builder
    .externalRef('User', builder.selection<{ email: string }>('email'), ({ email }) => ({ ...author, email }))
    .implement({
      externalFields: (t) => ({
        email: t.id(),
        totalProductsCreated: t.int({ nullable: true }),
        yearsOfEmployment: t.int(),
      }),
      fields: (t) => ({
        averageProductsCreatedPerYear: t.int({
          nullable: true,
          requires: builder.selection<{ totalProductsCreated?: number; yearsOfEmployment: number }>(
            'totalProductsCreated yearsOfEmployment',
          ),
          resolve: ({ totalProductsCreated, yearsOfEmployment }) =>
            totalProductsCreated === undefined ? null : Math.round(totalProductsCreated / yearsOfEmployment),
        }),
        name: t.string({ nullable: true, override: { from: 'users' }, resolve: () => author.name }),
      }),
    });
  return UserRef;
}

function addResearch({ builder }: Kit) {
  const StudyRef = builder.objectRef<Study>('CaseStudy').implement({
    fields: (t) => ({
      caseNumber: t.exposeID('caseNumber'),
      description: t.exposeString('description', { nullable: true }),
    }),
  });
  const ResearchRef = builder.objectRef<Research>('ProductResearch').implement({
    fields: (t) => ({
      study: t.field({ type: StudyRef, resolve: ({ study }) => study }),
      outcome: t.exposeString('outcome', { nullable: true }),
    }),
  });
  builder.asEntity(ResearchRef, {
    key: builder.selection<{ study: { caseNumber: string } }>('study { caseNumber }'),
    resolveReference: ({ study }) => studies.find((one) => one.study.caseNumber === study.caseNumber) ?? null,
  });
  return ResearchRef;
}

function addDeprecated({ builder }: Kit, UserRef: ReturnType<typeof addUser>) {
  const DeprecatedRef = builder.objectRef<Deprecated>('DeprecatedProduct').implement({
    fields: (t) => ({
      sku: t.exposeString('sku'),
      package: t.exposeString('package'),
      reason: t.exposeString('reason', { nullable: true }),
      createdBy: t.field({ type: UserRef, nullable: true, resolve: () => author as never }),
    }),
  });
  const find = (asked: { sku: string; package: string }) =>
    asked.sku === deprecated.sku && asked.package === deprecated.package ? deprecated : null;
  builder.asEntity(DeprecatedRef, {
    key: builder.selection<{ sku: string; package: string }>('sku package'),
    resolveReference: find,
  });
  const Inventory = builder.objectRef<{ readonly id: string }>('Inventory').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      deprecatedProducts: t.field({ type: [DeprecatedRef], resolve: () => [deprecated] }),
    }),
  });
  builder.asEntity(Inventory, {
    interfaceObject: true,
    key: builder.selection<{ id: string }>('id'),
    resolveReference: ({ id }) => ({ id }),
  });
  builder.queryField('deprecatedProduct', (t) =>
    t.field({
      type: DeprecatedRef,
      nullable: true,
      deprecationReason: 'Use product query instead',
      args: { sku: t.arg.string({ required: true }), package: t.arg.string({ required: true }) },
      resolve: (_root, asked) => find(asked),
    }),
  );
}

function addProduct(
  { builder }: Kit,
  UserRef: ReturnType<typeof addUser>,
  ResearchRef: ReturnType<typeof addResearch>,
) {
  const Variation = builder.objectRef<Product['variation']>('ProductVariation').implement({
    fields: (t) => ({ id: t.exposeID('id') }),
  });
  const Dimension = builder.objectRef<typeof dimensions>('ProductDimension').implement({
    shareable: true,
    fields: (t) => ({
      size: t.exposeString('size', { nullable: true }),
      weight: t.exposeFloat('weight', { nullable: true }),
      unit: t.exposeString('unit', { nullable: true, inaccessible: true }),
    }),
  });
  const ProductRef = builder.objectRef<Product>('Product').implement({
    directives: { custom: {} } as never,
    fields: (t) => ({
      id: t.exposeID('id'),
      sku: t.exposeString('sku', { nullable: true }),
      package: t.exposeString('package', { nullable: true }),
      variation: t.field({ type: Variation, nullable: true, resolve: ({ variation }) => variation }),
      dimensions: t.field({ type: Dimension, nullable: true, resolve: () => dimensions }),
      createdBy: t.field({
        type: UserRef.provides<{ totalProductsCreated: number }>('totalProductsCreated'),
        nullable: true,
        resolve: () => author as never,
      }),
      notes: t.string({ nullable: true, tag: 'internal', resolve: () => null }),
      research: t.field({ type: [ResearchRef], resolve: ({ research }) => [...research] }),
    }),
  });
  builder.asEntity(ProductRef, {
    key: [
      builder.selection<{ id: string }>('id'),
      builder.selection<{ sku: string; package: string }>('sku package'),
      builder.selection<{ sku: string; variation: { id: string } }>('sku variation { id }'),
    ],
    resolveReference: (asked) =>
      products.find((one) =>
        'id' in asked
          ? one.id === asked.id
          : one.sku === asked.sku &&
            ('package' in asked ? one.package === asked.package : one.variation.id === asked.variation.id),
      ) ?? null,
  });
  builder.queryField('product', (t) =>
    t.field({
      type: ProductRef,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_root, { id }) => products.find((one) => one.id === id) ?? null,
    }),
  );
}

export function createProductsSubgraph() {
  const kit = createSubgraphBuilder();
  kit.builder.queryType({});
  const UserRef = addUser(kit);
  addDeprecated(kit, UserRef);
  addProduct(kit, UserRef, addResearch(kit));
  const schema = kit.builder.toSubGraphSchema({
    linkUrl: 'https://specs.apollo.dev/federation/v2.3',
    composeDirectives: ['@custom'],
    directives: [cacheControl, new GraphQLDirective({ name: 'custom', locations: [DirectiveLocation.OBJECT] })],
    extensions: {
      directives: [{ name: 'link', args: { url: 'https://myspecs.dev/myCustomDirective/v1.0', import: ['@custom'] } }],
    },
  });
  return {
    sdl: printSubgraphSchema(schema),
    yoga: createYoga({ schema, graphqlEndpoint: '/', logging: false, plugins: [useApolloInlineTrace()] }),
  };
}
