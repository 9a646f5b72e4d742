import { readFile } from 'node:fs/promises';
import federation from '@apollo/federation-internals';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema, type GraphQLSchema, lexicographicSortSchema, parse, printSchema } from 'graphql';
import { referencePage } from './api-reference.ts';

const root = new URL('../', import.meta.url);

/** The schema as a client sees it: no federation fields, nothing inaccessible. Sorted, so that its text is stable. */
export function apiSchemaOf(supergraphSdl: string): GraphQLSchema {
  return lexicographicSortSchema(federation.Supergraph.build(supergraphSdl).apiSchema().toGraphQLJSSchema());
}

/** What is generated for users from the API: its SDL, the reference page, the typed operations of the example client. */
export async function apiFiles(schema: GraphQLSchema): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['schema/graphql/api.graphql', printSchema(schema)],
    ['docs/api/reference.md', referencePage(schema)],
    ['examples/typescript/operations.ts', await typedOperations(schema)],
  ]);
}

async function typedOperations(schema: GraphQLSchema): Promise<string> {
  const location = 'examples/typescript/operations.graphql';
  const documents = [{ location, document: parse(await readFile(new URL(location, root), 'utf8')) }];
  const body = await codegen({
    schema: parse(printSchema(schema)),
    documents,
    filename: 'examples/typescript/operations.ts',
    config: {
      useTypeImports: true,
      strictScalars: true,
      scalars: { Date: 'string', DateTime: 'string', Decimal: 'string', JSON: 'unknown' },
    },
    plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
    pluginMap: { typescriptOperations, typedDocumentNode },
  });
  return `// Generated from operations.graphql and the API's schema by \`npm run schema:update\`.\n${body}`;
}

/**
 * Breaking changes against the API of the last release (schema/graphql/released.graphql). A release replaces that file; between
 * releases nothing a client may rely on goes away or narrows.
 */
export async function breakingChanges(schema: GraphQLSchema): Promise<readonly string[]> {
  const released = buildSchema(await readFile(new URL('schema/graphql/released.graphql', root), 'utf8'));
  const changes = await diff(released, schema);
  return changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ message, path }) => `${path ?? ''}: ${message}`);
}
