import type { Logger } from '@tributary/platform/logger';
import { createLru, type Lru } from '@tributary/platform/lru';
import type { CallerSigner, Principal } from './pipeline/auth.ts';
import type { PreparedOperation } from './pipeline/prepare.ts';
import { createQueryExecutor, type QueryExecutor } from './query-executor.ts';
import type { SubgraphClient } from './subgraph-client.ts';
import { createSubscriptionEngine, type SubscriptionEngine, type SubscriptionStats } from './subscriptions/engine.ts';
import { buildSupergraph, hasHiddenTags, type Supergraph } from './supergraph.ts';
import type { ComposedGraphs } from './supergraph-source.ts';

/** One graph as it is now, with what runs operations on it. */
export interface Graph {
  readonly supergraph: Supergraph;
  readonly queries: QueryExecutor;
  readonly subscriptions: SubscriptionEngine;
  /** Operations of this graph by text; a new supergraph begins with none. */
  readonly prepared: Lru<string, PreparedOperation>;
}

/** The whole graph and the partners' smaller one; the same object where nothing is hidden from partners. */
export interface Graphs {
  /** Null before the first supergraph, and for partners while there is no contract for them. */
  of(principal: Pick<Principal, 'partnerId'> | null): Graph | null;
  /** Swaps; plans are cleared, running subscriptions end with SCHEMA_CHANGED. Rejects for an SDL that is none. */
  use(composed: ComposedGraphs): Promise<void>;
  stats(): SubscriptionStats;
  endSubscriptions(): void;
  dispose(): Promise<void>;
}

export interface GraphsDeps {
  readonly clients: readonly SubgraphClient[];
  readonly signer: CallerSigner;
  readonly logger: Logger;
  readonly totalsFields: readonly string[];
  readonly reopenDelaysMs: readonly number[];
  /** Prepares what will surely be asked, before the graph is swapped in. */
  readonly warm?: (graph: Graph) => void;
}

const preparedKept = 1_000;
/**
 * Characters of all texts that are kept with what they were prepared to. A parsed text takes 125 bytes of memory a character, its
 * plan and more besides: some 60 MiB of them.
 */
const preparedLength = 262_144;
/** A longer text is prepared each time. */
export const longestKeptText = 32_768;

export function createGraphs(deps: GraphsDeps): Graphs {
  const whole = createSlot(deps);
  const partner = createSlot(deps);
  let partnersSeeWhole = true;

  return {
    of: (principal) => (principal?.partnerId && !partnersSeeWhole ? partner : whole).current(),
    async use({ sdl, partnerSdl, subgraphs }) {
      const hints = subgraphs.map((subgraph) => subgraph.sdl);
      // Both are built before either is swapped, so that partners never see the whole graph in between.
      const next = buildSupergraph(sdl, hints);
      const nextOfPartners = partnerSdl === null || partnerSdl === sdl ? null : buildSupergraph(partnerSdl, hints);
      partnersSeeWhole = partnerSdl === sdl;
      await partner.use(nextOfPartners);
      await whole.use(next);
    },
    stats() {
      const [a, b] = [whole.subscriptions.stats(), partner.subscriptions.stats()];
      return {
        opened: a.opened + b.opened,
        closed: a.closed + b.closed,
        streams: a.streams + b.streams,
        subscribers: a.subscribers + b.subscribers,
      };
    },
    endSubscriptions() {
      whole.subscriptions.dispose();
      partner.subscriptions.dispose();
    },
    async dispose() {
      await Promise.all([whole.current()?.queries.dispose(), partner.current()?.queries.dispose()]);
    },
  };
}

/** A fixed supergraph is the partners' too only if it hides nothing from them. */
export function fixedGraph(sdl: string): ComposedGraphs {
  return { sdl, partnerSdl: hasHiddenTags(sdl) ? null : sdl, subgraphs: [] };
}

const createPrepared = (): Graph['prepared'] =>
  createLru(preparedKept, { of: (text) => text.length, most: preparedLength });

function createSlot(deps: GraphsDeps) {
  const subscriptions = createSubscriptionEngine(deps);
  let graph: Graph | null = null;
  return {
    subscriptions,
    current: () => graph,
    async use(supergraph: Supergraph | null): Promise<void> {
      if (!supergraph) {
        const old = graph;
        graph = null;
        subscriptions.dispose();
        await old?.queries.dispose();
        return;
      }
      if (graph?.supergraph.id === supergraph.id) return;
      const old = graph;
      const queries = await createQueryExecutor({ ...deps, supergraph });
      const next: Graph = { supergraph, queries, subscriptions, prepared: createPrepared() };
      deps.warm?.(next);
      graph = next;
      subscriptions.useSupergraph(supergraph);
      // Operations that run go on under the old one: its server has nothing to close but itself.
      await old?.queries.dispose();
    },
  };
}
