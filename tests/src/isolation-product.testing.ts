import { createGateway, createLocalSubgraphClient } from '@tributary/gateway';
import type { BlobStore } from '@tributary/platform/blob-store';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import { createLogger } from '@tributary/platform/logger';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { WarehouseStreams } from '@tributary/platform/warehouse/stream';
import type { Relational } from '@tributary/prisma/client';
import { loadConfig } from '@tributary/schema';
import { createAttributionSubgraph } from '@tributary/subgraphs/attribution';
import { createCampaignsSubgraph } from '@tributary/subgraphs/campaigns';
import { createEventsSubgraph, createExportHandler } from '@tributary/subgraphs/events';
import { createPredictionsSubgraph } from '@tributary/subgraphs/predictions';
import type { Subgraph } from '@tributary/subgraphs/types';
import {
  cacheOfSetting,
  gatewayDirectory,
  openableRelational,
  openableStreams,
  openableWarehouse,
  partnersAgain,
  subgraphDirectory,
} from './isolation-walls.testing.ts';

export const isolationSecret = 'a secret of the isolation trial, of more than 32 characters';

export interface Stores {
  readonly warehouse: Warehouse;
  readonly streams: WarehouseStreams;
  readonly blobs: BlobStore;
  readonly relational: Relational;
  readonly directory: Directory;
  readonly liveBus: LiveBus;
}

export interface IsolationProduct {
  readonly url: string;
  readonly subgraphs: readonly Subgraph[];
  dispose(): Promise<void>;
}

/** Gateway and subgraphs in this process over real stores, with the walls of `isolation-walls.testing.ts` between them. */
export async function openIsolationProduct(stores: Stores): Promise<IsolationProduct> {
  const clock = { now: () => Date.now() };
  const logger = createLogger('isolation', 'silent');
  const cache = createMemoryCache();
  const { liveBus, blobs } = stores;
  const deps = {
    ...{ liveBus, cache, clock, logger, signingSecret: isolationSecret },
    ...{ warehouse: openableWarehouse(stores.warehouse), directory: subgraphDirectory(stores.directory) },
    config: loadConfig({ TRIBUTARY_LIVE_INTERVAL_MS: '50' }),
  };
  const exports = { streams: openableStreams(stores.streams), blobs, tickMs: 30 };
  const subgraphs = [
    createEventsSubgraph(deps, {
      settleMs: 50,
      replayEvent: async () => ({ status: 'accepted', code: null }),
      exports,
    }),
    createAttributionSubgraph(deps),
    createPredictionsSubgraph(deps),
    createCampaignsSubgraph({ ...deps, relational: openableRelational(stores.relational) }),
  ];
  const gateway = await createGateway({
    config: { host: '127.0.0.1', publicUrl: null, ports: { gateway: 0 } },
    directory: gatewayDirectory(stores.directory),
    ...{ clock, logger, cache: cacheOfSetting(cache), liveBus, signingSecret: isolationSecret },
    subgraphs: subgraphs.map((subgraph) => partnersAgain(createLocalSubgraphClient(subgraph), isolationSecret)),
    downloads: createExportHandler({ blobs, signingSecret: isolationSecret, clock }),
  });
  const { url } = await gateway.listen();
  return {
    url,
    subgraphs,
    async dispose() {
      await gateway.dispose();
      for (const subgraph of subgraphs) await subgraph.dispose();
      await cache.dispose();
    },
  };
}
