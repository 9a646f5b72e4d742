import type { DirectoryApp } from '@tributary/schema';
import { addEntityStub, createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { foldRows, type LiveWindow } from './domain/live.ts';
import { createEventReader } from './event-reader.ts';
import { createLiveHub } from './live-hub.ts';
import { createLiveReader } from './live-reader.ts';
import { createMetricsReader } from './metrics-reader.ts';
import { createPersonReader } from './person-reader.ts';
import { addApp } from './schema/app.ts';
import { addEvent } from './schema/event.ts';
import { addLive } from './schema/live.ts';
import { addPerson } from './schema/person.ts';
import { createSeriesReader } from './series-reader.ts';

/**
 * The events subgraph: metrics, series, people, events and live windows, read from the warehouse.
 *
 * @example
 * const subgraph = createEventsSubgraph(deps);
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4021 });
 */
export function createEventsSubgraph(deps: SubgraphDeps): Subgraph {
  const { warehouse, directory, liveBus, clock, logger, config } = deps;
  const kit = createSubgraphBuilder();
  const liveReader = createLiveReader(warehouse);
  const read = async (app: DirectoryApp, window: LiveWindow, nowMs: number, signal: AbortSignal | undefined) => {
    const { tenantId } = app;
    const snapshot = await liveReader.readSnapshot({ tenantId, app, window, nowMs, ...(signal ? { signal } : {}) });
    const known = new Set(
      directory.current().campaigns.flatMap((one) => (one.tenantId === tenantId ? [one.campaignId] : [])),
    );
    return { ...snapshot, rows: foldRows(snapshot.rows, (campaignId) => known.has(campaignId)) };
  };
  const hub = createLiveHub({
    read: (app, window, signal) => read(app, window, clock.now(), signal),
    directory,
    liveBus,
    logger,
    intervalMs: config.liveIntervalMs,
  });

  kit.builder.queryType({ description: 'What can be asked.' });
  const Campaign = addEntityStub(kit.builder, 'Campaign');
  const App = addApp(kit, deps, { metrics: createMetricsReader(warehouse), series: createSeriesReader(warehouse) });
  const Person = addPerson(kit, deps, createPersonReader(warehouse));
  addEvent(kit, deps, createEventReader(warehouse), { Person, Campaign });
  addLive(kit, deps, { App, Campaign, hub, read });
  return defineSubgraph({
    name: 'events',
    builder: kit.builder,
    deps,
    dispose: async () => hub.dispose(),
  });
}
