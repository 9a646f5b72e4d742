import { createHash } from 'node:crypto';
import { composeServices } from '@apollo/composition';
import { Supergraph as FederationSupergraph, type Schema } from '@apollo/federation-internals';
import { QueryPlanner } from '@apollo/query-planner';
import { CodedError } from '@tributary/schema';
import { type GraphQLSchema, parse } from 'graphql';

export interface SubgraphSdl {
  readonly name: string;
  readonly sdl: string;
}

/**
 * Composes subgraph schemas into a supergraph SDL. The text depends on names and SDL only (not on order or address), so CI can
 * diff it. Throws CONFIG_INVALID with every composition fault in `details.faults`.
 */
export function composeSupergraph(subgraphs: readonly SubgraphSdl[]): string {
  const services = [...subgraphs]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    // Apollo wants a URL in the SDL; ours are found by name, and a real address would make the text differ by installation.
    .map(({ name, sdl }) => ({ name, url: `http://${name}.subgraph.internal/graphql`, typeDefs: parse(sdl) }));
  const result = composeServices(services);
  if (result.errors) {
    const faults = result.errors.map((error) => error.message);
    throw new CodedError('CONFIG_INVALID', {
      message: `The subgraphs do not compose: ${faults.length} fault(s).\n  ${faults.join('\n  ')}`,
      details: { faults },
    });
  }
  return result.supergraphSdl;
}

/** One composed graph, in the forms that planning and executing a subscription need. */
export interface Supergraph {
  /** SHA-256 of the SDL. */
  readonly id: string;
  readonly sdl: string;
  /** What callers may ask; for validation and variables. */
  readonly schema: GraphQLSchema;
  /** The same in the planner's own form. */
  readonly apiSchema: Schema;
  /** With all join directives. */
  readonly coreSchema: GraphQLSchema;
  readonly planner: QueryPlanner;
}

/** Throws what Apollo's builder throws when the SDL is no supergraph. */
export function buildSupergraph(sdl: string): Supergraph {
  const built = FederationSupergraph.build(sdl, { validateSupergraph: true });
  const apiSchema = built.apiSchema();
  return {
    id: createHash('sha256').update(sdl).digest('hex'),
    sdl,
    schema: apiSchema.toGraphQLJSSchema(),
    apiSchema,
    coreSchema: built.schema.toGraphQLJSSchema(),
    planner: new QueryPlanner(built),
  };
}
