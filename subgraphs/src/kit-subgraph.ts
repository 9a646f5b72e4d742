import { printSubgraphSchema } from '@apollo/subgraph';
import { type Caller, CodedError, parseCaller, type SubgraphName } from '@tributary/schema';
import { type DocumentNode, Kind, parse, specifiedDirectives } from 'graphql';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { createLoaderRegistry } from './kit-access.ts';
import { cacheControl, type SubgraphBuilder } from './kit-builder.ts';
import { toPublicError, toRequestError } from './kit-errors.ts';
import type { Subgraph, SubgraphContext, SubgraphDeps } from './types.ts';

export interface SubgraphDefinition {
  readonly name: SubgraphName;
  /** All types added; the root query type too. */
  readonly builder: SubgraphBuilder;
  readonly deps: Pick<SubgraphDeps, 'clock' | 'logger' | 'signingSecret'>;
  /** Releases what the subgraph holds beyond its ports (timers, hubs). */
  readonly dispose?: () => Promise<void>;
}

/** Federation version of the printed SDL. */
const linkUrl = 'https://specs.apollo.dev/federation/v2.6';

/** Answers `_service { sdl }` and nothing else: no tenant, no app, no scope. */
const nobody: Caller = { tenantId: '', appIds: [], scopes: [], keyId: '', requestId: '', expiresAt: 0 };

/** Whether a document asks for nothing but the SDL, which composition reads before any caller exists. */
export function asksForSdlOnly(document: DocumentNode): boolean {
  const [operation, ...others] = document.definitions;
  return (
    others.length === 0 &&
    operation?.kind === Kind.OPERATION_DEFINITION &&
    operation.operation === 'query' &&
    operation.selectionSet.selections.every((one) => one.kind === Kind.FIELD && one.name.value === '_service')
  );
}

/** Codes for what Yoga refuses before it runs anything. */
function codeRefusals(logger: Logger): Plugin {
  return {
    onParse: () => {
      return ({ result, replaceParseResult }) => {
        if (result instanceof Error) {
          replaceParseResult(toRequestError(result, logger, 'GRAPHQL_PARSE_FAILED') as never);
        }
      };
    },
    onValidate: () => {
      return ({ valid, result, setResult }) => {
        if (valid) return;
        setResult(result.map((error) => toRequestError(error, logger, 'GRAPHQL_VALIDATION_FAILED')));
      };
    },
  };
}

function createHttp(
  definition: SubgraphDefinition,
  schema: Subgraph['schema'],
  createContext: Subgraph['createContext'],
) {
  const { logger } = definition.deps;
  return createYoga({
    schema,
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    multipart: false,
    cors: false,
    logging: false,
    plugins: [codeRefusals(logger)],
    maskedErrors: {
      maskError: (error) => toPublicError(error, logger, 'BAD_USER_INPUT'),
    },
    context: ({ request, params }): SubgraphContext => {
      try {
        return createContext({ callerToken: params.extensions?.['caller'], signal: request.signal });
      } catch (error) {
        if (params.query && asksForSdlOnly(parse(params.query))) {
          return { caller: nobody, signal: request.signal, loaders: createLoaderRegistry() };
        }
        throw toRequestError(error, logger, 'UNAUTHENTICATED');
      }
    },
  });
}

/**
 * Closes a builder into a subgraph: federation schema, SDL in a fixed order, context and HTTP handler.
 *
 * Errors over HTTP carry `extensions.code` of the catalogue and `retryable`; in-process callers see the CodedError as
 * `originalError` and format it themselves.
 */
export function defineSubgraph(definition: SubgraphDefinition): Subgraph {
  const { name, builder, deps } = definition;
  const schema = builder.toSubGraphSchema({ linkUrl, directives: [...specifiedDirectives, cacheControl] });
  const createContext: Subgraph['createContext'] = ({ callerToken, signal }) => {
    const caller = parseCaller(callerToken, deps.signingSecret, deps.clock.now());
    if (!caller)
      throw new CodedError('UNAUTHENTICATED', { message: 'This part of the graph takes signed callers only.' });
    return { caller, signal, loaders: createLoaderRegistry() };
  };
  const yoga = createHttp(definition, schema, createContext);
  let disposed: Promise<void> | null = null;
  return {
    name,
    schema,
    sdl: printSubgraphSchema(schema),
    createContext,
    formatError: (error, refusal = 'BAD_USER_INPUT') => toPublicError(error, deps.logger, refusal),
    fetch: (request) => yoga.fetch(request),
    dispose() {
      disposed ??= (async () => {
        await definition.dispose?.();
        await yoga.dispose();
      })();
      return disposed;
    },
  };
}
