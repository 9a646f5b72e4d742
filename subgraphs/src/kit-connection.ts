import { CodedError } from '@tributary/schema';
import type { z } from 'zod';
import type { ConnectionPageInfo, SubgraphBuilder, SubgraphKit, TypeRef } from './kit-builder.ts';

export interface Connection<T> {
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: ConnectionPageInfo;
}

/** A page asked for, checked. Read `limit` rows: one more than shown tells whether there is a next page. */
export interface PageRequest {
  readonly first: number;
  readonly limit: number;
  readonly after: string | null;
}

/** An opaque cursor of a row's sort key. */
export function encodeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** The sort key in a cursor. Throws BAD_USER_INPUT when it is not one of this list's cursors. */
export function decodeCursor<K>(cursor: string, key: z.ZodType<K>): K {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    value = undefined;
  }
  const parsed = key.safeParse(value);
  if (!parsed.success) {
    throw new CodedError('BAD_USER_INPUT', {
      message: 'That cursor is not one of this list.',
      details: { field: 'after' },
    });
  }
  return parsed.data;
}

/** Checks `first` (1…100). Throws BAD_USER_INPUT. */
export function parsePage(args: { readonly first: number; readonly after?: string | null | undefined }): PageRequest {
  if (!Number.isInteger(args.first) || args.first < 1 || args.first > 100) {
    throw new CodedError('BAD_USER_INPUT', { message: 'first takes 1…100.', details: { field: 'first' } });
  }
  return { first: args.first, limit: args.first + 1, after: args.after ? args.after : null };
}

/** The page made of up to `page.limit` rows in order. */
export function connectionOf<T>(rows: readonly T[], page: PageRequest, cursorOf: (row: T) => string): Connection<T> {
  const edges = rows.slice(0, page.first).map((node) => ({ node, cursor: cursorOf(node) }));
  return {
    edges,
    pageInfo: {
      hasNextPage: rows.length > page.first,
      hasPreviousPage: page.after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

/**
 * Defines `<name>Connection` and `<name>Edge` over a node type. Use `connectionArgs` for the field's arguments and
 * `connectionOf` for its value. `tag` is that of the node, where it has one: a contract that leaves the node out must leave out its pages.
 */
export function addConnection<T extends object>(
  kit: SubgraphKit,
  name: string,
  node: TypeRef<T>,
  tagged: { readonly tag?: string } = {},
) {
  const { builder, PageInfo } = kit;
  const Edge = builder.objectRef<Connection<T>['edges'][number]>(`${name}Edge`);
  Edge.implement({
    ...tagged,
    description: `One ${name} of a page.`,
    fields: (t) => ({
      cursor: t.string({ description: 'Its place in the list.', resolve: (edge) => edge.cursor }),
      // Pothos cannot see that a generic T is the shape of its own ref.
      node: t.field({ type: node, resolve: (edge) => edge.node as never }),
    }),
  });
  const ConnectionType = builder.objectRef<Connection<T>>(`${name}Connection`);
  ConnectionType.implement({
    ...tagged,
    description: `A page of ${name}s.`,
    fields: (t) => ({
      edges: t.field({ type: [Edge], resolve: (connection) => connection.edges }),
      pageInfo: t.field({ type: PageInfo, resolve: (connection) => connection.pageInfo }),
    }),
  });
  return ConnectionType;
}

type ArgBuilder = Parameters<Parameters<SubgraphBuilder['queryField']>[1]>[0]['arg'];

/** `first: Int! = 20, after: String` */
export function connectionArgs(arg: ArgBuilder) {
  return {
    first: arg.int({ required: true, defaultValue: 20, description: 'How many, 1…100.' }),
    after: arg.string({ description: 'Cursor of the last one seen.' }),
  };
}
