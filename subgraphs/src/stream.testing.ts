import { parse, subscribe } from 'graphql';
import type { Subgraph } from './types.ts';

export interface FollowedStream {
  // Payloads are read by path.
  // biome-ignore lint/suspicious/noExplicitAny: the shape is the query's
  next(): Promise<any>;
  stop(): Promise<void>;
}

/** Subscribes in the process, as the embedded gateway does. `next` answers data, or throws an error with `code`. */
export async function follow(
  subgraph: Subgraph,
  callerToken: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<FollowedStream> {
  const result = await subscribe({
    schema: subgraph.schema,
    document: parse(query),
    variableValues: variables,
    contextValue: subgraph.createContext({ callerToken }),
  });
  const shown = (error: unknown) => {
    const { extensions, message } = subgraph.formatError(error);
    return Object.assign(new Error(message), { code: extensions['code'], details: extensions['details'] });
  };
  if (!(Symbol.asyncIterator in result)) throw shown(result.errors?.[0]);
  return {
    async next() {
      const step = await result.next().catch((error: unknown) => {
        throw shown(error);
      });
      if (step.done) return null;
      if (step.value.errors) throw shown(step.value.errors[0]);
      return JSON.parse(JSON.stringify(step.value.data));
    },
    async stop() {
      await result.return(undefined as never);
    },
  };
}
