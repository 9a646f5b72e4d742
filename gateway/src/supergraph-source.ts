import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@tributary/platform/logger';
import { CodedError } from '@tributary/schema';
import type { SubgraphClient } from './subgraph-client.ts';
import { composePartnerSupergraph, composeSupergraph, type SubgraphSdl } from './supergraph.ts';

export interface ComposedGraphs {
  readonly sdl: string;
  /** What partners' keys ask; null = they can ask nothing. */
  readonly partnerSdl: string | null;
  readonly subgraphs: readonly SubgraphSdl[];
}

export interface SupergraphSource {
  /**
   * Composes from what the subgraphs say now and hands the SDL over if it differs from the last. Throws SUBGRAPH_UNAVAILABLE
   * when one can't be reached and CONFIG_INVALID when they do not compose; the last one handed over stays.
   */
  refresh(): Promise<void>;
  /** Refreshes until the first success every `retryMs`, then every `pollMs` if any subgraph is remote. */
  start(): void;
  dispose(): Promise<void>;
}

export interface SupergraphSourceDeps {
  readonly clients: readonly SubgraphClient[];
  readonly logger: Logger;
  readonly onComposed: (graphs: ComposedGraphs) => Promise<void>;
  readonly retryMs: number;
  readonly pollMs: number;
}

export function createSupergraphSource(deps: SupergraphSourceDeps): SupergraphSource {
  const stop = new AbortController();
  let last: string | null = null;
  let loop: Promise<void> | null = null;
  const anyRemote = deps.clients.some((client) => client.remote);

  async function refresh(): Promise<void> {
    const subgraphs = await Promise.all(
      deps.clients.map(async (client) => ({ name: client.name, sdl: await client.sdl() })),
    );
    // Composition takes a few hundred ms of the event loop: only when a subgraph's text changed.
    const given = JSON.stringify(subgraphs);
    if (given === last) return;
    await deps.onComposed({
      sdl: composeSupergraph(subgraphs),
      partnerSdl: composePartnerSupergraph(subgraphs),
      subgraphs,
    });
    last = given;
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await refresh();
        if (!anyRemote) return;
      } catch (error) {
        if (stop.signal.aborted) return;
        const code = error instanceof CodedError ? error.code : undefined;
        const text = last === null ? 'no supergraph yet' : 'the supergraph could not be refreshed; the last one stays';
        deps.logger.warn({ err: error, code }, text);
      }
      await delay(last === null ? deps.retryMs : deps.pollMs, undefined, { signal: stop.signal }).catch(
        () => undefined,
      );
    }
  }

  return {
    refresh,
    start() {
      loop ??= run();
    },
    async dispose() {
      stop.abort();
      await loop;
    },
  };
}
