import { createHash } from 'node:crypto';
import { composeServices } from '@apollo/composition';
import { Supergraph as FederationSupergraph, type Schema } from '@apollo/federation-internals';
import { QueryPlanner } from '@apollo/query-planner';
import { composeSchemaContract } from '@theguild/federation-composition';
import { CodedError } from '@tributary/schema';
import { type DocumentNode, type GraphQLSchema, parse } from 'graphql';
import { type Hints, readHints } from './pipeline/field-hints.ts';

export interface SubgraphSdl {
  readonly name: string;
  readonly sdl: string;
}

/**
 * Composes subgraph schemas into a supergraph SDL. The text depends on names and SDL only (not on order or address), so CI can
 * diff it. Throws CONFIG_INVALID with every composition fault in `details.faults`.
 */
export function composeSupergraph(subgraphs: readonly SubgraphSdl[]): string {
  const result = composeServices(servicesOf(subgraphs));
  if (result.errors) throw doNotCompose(result.errors);
  return result.supergraphSdl;
}

/** What partners may not see: the tenant's inner affairs and personal fields. */
const hiddenFromPartners = ['internal', 'personal'] as const;

/**
 * The partner contract: the same graph without what is tagged `internal` or `personal` (and what only those reach). Equals
 * {@link composeSupergraph}'s text where nothing is tagged so. Throws CONFIG_INVALID as that does.
 */
export function composePartnerSupergraph(subgraphs: readonly SubgraphSdl[]): string {
  if (!subgraphs.some(({ sdl }) => hasHiddenTags(sdl))) return composeSupergraph(subgraphs);
  const tags = { include: new Set<string>(), exclude: new Set<string>(hiddenFromPartners) };
  const result = composeSchemaContract(servicesOf(subgraphs), tags, true);
  if (!result.supergraphSdl) throw doNotCompose(result.errors ?? []);
  return result.supergraphSdl;
}

/** Whether an SDL holds anything that partners may not see. */
export function hasHiddenTags(sdl: string): boolean {
  return hiddenFromPartners.some((tag) => new RegExp(`@(federation__)?tag\\(name: *"${tag}"`).test(sdl));
}

function servicesOf(subgraphs: readonly SubgraphSdl[]) {
  return (
    [...subgraphs]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      // Composition wants a URL in the SDL; ours are found by name, and a real address would make the text differ by installation.
      .map(({ name, sdl }) => ({ name, url: `http://${name}.subgraph.internal/graphql`, typeDefs: parse(sdl) }))
  );
}

function doNotCompose(errors: readonly { readonly message: string }[]): CodedError {
  const faults = errors.map((error) => error.message);
  return new CodedError('CONFIG_INVALID', {
    message: `The subgraphs do not compose: ${faults.length} fault(s).\n  ${faults.join('\n  ')}`,
    details: { faults },
  });
}

/** One composed graph, in the forms that planning and executing a subscription need. */
export interface Supergraph {
  /** SHA-256 of the SDL and of what its hints were read from. */
  readonly id: string;
  readonly sdl: string;
  /** What callers may ask; for validation and variables. */
  readonly schema: GraphQLSchema;
  /** The same in the planner's own form. */
  readonly apiSchema: Schema;
  /** With all join directives. */
  readonly coreSchema: GraphQLSchema;
  readonly planner: QueryPlanner;
  /** Costs, ages and marks of fields. */
  readonly hints: Hints;
}

/**
 * @param subgraphSdls whose hints count too, since composition drops some.
 * Throws what Apollo's builder throws when the SDL is no supergraph.
 */
export function buildSupergraph(sdl: string, subgraphSdls: readonly string[] = []): Supergraph {
  const built = FederationSupergraph.build(sdl, { validateSupergraph: true });
  const apiSchema = built.apiSchema();
  return {
    // Hints are part of it: they decide what is cached.
    id: createHash('sha256')
      .update([sdl, ...subgraphSdls].join('\n'))
      .digest('hex'),
    sdl,
    schema: apiSchema.toGraphQLJSSchema(),
    apiSchema,
    coreSchema: built.schema.toGraphQLJSSchema(),
    planner: new QueryPlanner(built),
    hints: readHints([sdl, ...subgraphSdls].map((text): DocumentNode => parse(text, { noLocation: true }))),
  };
}
