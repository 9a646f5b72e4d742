/** The graph of the Guild's gateway benchmark: accounts, inventory, products and reviews, and its deeply nested query. */
export const subgraphNames = ['accounts', 'inventory', 'products', 'reviews'] as const;
export type BenchSubgraph = (typeof subgraphNames)[number];

const head = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@external", "@requires"])`;

export const typeDefs: Readonly<Record<BenchSubgraph, string>> = {
  accounts: `${head}
    directive @cacheControl(maxAge: Int, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT
    type Query { me: User users: [User!]! team: [User!]! @cacheControl(maxAge: 600) }
    type User @key(fields: "id") { id: ID! name: String username: String birthday: Int }`,
  inventory: `${head}
    type Product @key(fields: "upc") {
      upc: String! weight: Int @external price: Int @external inStock: Boolean
      shippingEstimate: Int @requires(fields: "price weight")
    }`,
  products: `${head}
    type Query { topProducts(first: Int = 5): [Product!]! }
    type Product @key(fields: "upc") { upc: String! name: String price: Int weight: Int }`,
  reviews: `${head}
    directive @listSize(assumedSize: Int) on FIELD_DEFINITION
    type Review @key(fields: "id") { id: ID! body: String author: User product: Product }
    type User @key(fields: "id") { id: ID! reviews: [Review!]! @listSize(assumedSize: 4) }
    type Product @key(fields: "upc") { upc: String! reviews: [Review!]! @listSize(assumedSize: 4) }`,
};

const users = ['Uri Goldshtein', 'Dotan Simha', 'Kamil Kisiela', 'Arda Tanrikulu', 'Gil Gardosh', 'Laurin Quast'].map(
  (name, at) => ({
    id: String(at + 1),
    name,
    username: name.toLowerCase().replace(' ', '.'),
    birthday: 1_234_567_890 + at,
  }),
);
const products = [
  ['Table', 899, 100],
  ['Couch', 1_299, 1_000],
  ['Glass', 15, 20],
  ['Chair', 499, 100],
  ['TV', 1_299, 1_000],
  ['Lamp', 6_999, 300],
  ['Grill', 3_999, 2_000],
  ['Fridge', 100_000, 6_000],
  ['Sofa', 9_999, 800],
].map(([name, price, weight], at) => ({ upc: String(at + 1), name, price, weight }));
const bodies = ['Love it!', 'Too expensive.', 'Could be better.', 'Prefer something else.', 'Fine for the price.'];
/** As many as make the answer about 88 KB. */
const reviews = Array.from({ length: 26 }, (_, at) => ({
  id: String(at + 1),
  authorId: String((at % 6) + 1),
  upc: String((at % 7) + 1),
  body: bodies[at % bodies.length],
}));

type Ref = Readonly<Record<string, string>>;

export const resolvers: Readonly<Record<BenchSubgraph, object>> = {
  accounts: {
    Query: { me: () => users[0], users: () => users, team: () => users },
    User: { __resolveReference: ({ id }: Ref) => users.find((user) => user.id === id) },
  },
  inventory: {
    Product: {
      __resolveReference: (reference: Ref) => ({ ...reference, inStock: Number(reference['upc']) % 3 !== 0 }),
      shippingEstimate: ({ price, weight }: { price: number; weight: number }) => (price > 1_000 ? 0 : weight * 0.5),
    },
  },
  products: {
    Query: { topProducts: (_: unknown, { first }: { first: number }) => products.slice(0, first) },
    Product: { __resolveReference: ({ upc }: Ref) => products.find((product) => product.upc === upc) },
  },
  reviews: {
    Review: {
      __resolveReference: ({ id }: Ref) => reviews.find((review) => review.id === id),
      author: ({ authorId }: Ref) => ({ __typename: 'User', id: authorId }),
      product: ({ upc }: Ref) => ({ __typename: 'Product', upc }),
    },
    User: { reviews: ({ id }: Ref) => reviews.filter(({ authorId }) => authorId === id) },
    Product: { reviews: ({ upc }: Ref) => reviews.filter((review) => review.upc === upc) },
  },
};

export const nestedQuery = `
  fragment User on User { id username name }
  fragment Review on Review { id body }
  fragment Product on Product { inStock name price shippingEstimate upc weight }
  query TestQuery {
    users { ...User reviews { ...Review product { ...Product reviews { ...Review
      author { ...User reviews { ...Review product { ...Product } } } } } } }
    topProducts { ...Product reviews { ...Review
      author { ...User reviews { ...Review product { ...Product } } } } }
  }`;

/** One subgraph, about 1 KB. */
export const smallQuery = `query Small { users { id name username birthday again: name once: username } }`;
/** The same, from a field whose answers may be kept. */
export const cachedQuery = `query Team { team { id name username birthday again: name once: username } }`;
