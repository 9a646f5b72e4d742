import { indexDirectory } from '@tributary/platform/directory/lookup';
import type { Warehouse } from '@tributary/platform/warehouse';
import { addEntityStub, createSubgraphBuilder, defineSubgraph } from '../src/kit.ts';
import { createStreamHub } from '../src/stream-hub.ts';
import type { StreamSettings } from '../src/stream-settled.ts';
import { defaultSettleMs } from '../src/stream-settled.ts';
import type { Subgraph, SubgraphDeps } from '../src/types.ts';
import { foldRows, type LiveWindow } from './domain/live.ts';
import { createEventReader } from './event-reader.ts';
import { createExportStore } from './export-store.ts';
import { createExporter, type ExporterDeps } from './exporter.ts';
import { createLiveHub, type WatchedApp } from './live-hub.ts';
import { createLiveReader } from './live-reader.ts';
import { createMetricsReader } from './metrics-reader.ts';
import { createPersonReader } from './person-reader.ts';
import type { ReplayEvent } from './replay-dead-letters.ts';
import { createReportReader } from './report-reader.ts';
import { addApp } from './schema/app.ts';
import { addDeadLetters } from './schema/dead-letter.ts';
import { addEvent } from './schema/event.ts';
import { addExports } from './schema/export.ts';
import { addLive } from './schema/live.ts';
import { addLiveEvents } from './schema/live-events.ts';
import { addPerson } from './schema/person.ts';
import { addReport } from './schema/report.ts';
import { createSeriesReader } from './series-reader.ts';

export { createExportHandler, type ExportHandlerDeps } from './export-download.ts';
export type { ReplayEvent, ReplayVerdict } from './replay-dead-letters.ts';

/** What the events subgraph takes beside what every subgraph takes. */
export interface EventsSubgraphOptions extends StreamSettings {
  /** Gives a refused event to the collector's core; absent: replays are refused with NOT_READY. */
  readonly replayEvent?: ReplayEvent;
  /** What exports need; absent: they are refused with NOT_READY. Disposed of by whoever opened it. */
  readonly exports?: Pick<ExporterDeps, 'streams' | 'blobs' | 'leaseMs' | 'tickMs'>;
  /** Where what this subgraph itself keeps is written; default: the readers' warehouse. */
  readonly writer?: Warehouse;
}

/**
 * The events subgraph: metrics, series, people, events and live windows, read from the warehouse.
 *
 * @example
 * const subgraph = createEventsSubgraph(deps);
 * const server = await serveSubgraph(subgraph, { host: '127.0.0.1', port: 4021 });
 */
export function createEventsSubgraph(deps: SubgraphDeps, options: EventsSubgraphOptions = {}): Subgraph {
  const { warehouse, directory, liveBus, clock, logger, config } = deps;
  const kit = createSubgraphBuilder();
  const liveReader = createLiveReader(warehouse);
  const read = async (app: WatchedApp, window: LiveWindow, nowMs: number, signal: AbortSignal | undefined) => {
    const { tenantId } = app;
    const snapshot = await liveReader.readSnapshot({ tenantId, app, window, nowMs, ...(signal ? { signal } : {}) });
    const { campaignById } = indexDirectory(directory.current());
    return { ...snapshot, rows: foldRows(snapshot.rows, (id) => campaignById.get(id)?.tenantId === tenantId) };
  };
  const hub = createLiveHub({
    read: (app, window, signal) => read(app, window, clock.now(), signal),
    directory,
    liveBus,
    logger,
    intervalMs: config.liveIntervalMs,
  });

  const writer = options.writer ?? warehouse;
  const settleMs = options.settleMs ?? defaultSettleMs;
  const streams = createStreamHub({ logger, settleMs, ...(options.queueRows ? { queueRows: options.queueRows } : {}) });

  kit.builder.queryType({ description: 'What can be asked.' });
  const Campaign = addEntityStub(kit.builder, 'Campaign');
  const App = addApp(kit, deps, { metrics: createMetricsReader(warehouse), series: createSeriesReader(warehouse) });
  const Person = addPerson(kit, deps, createPersonReader(warehouse));
  const Event = addEvent(kit, deps, createEventReader(warehouse), { Person, Campaign });
  const Partner = addEntityStub(kit.builder, 'Partner');
  const { enums, inputs } = addReport(kit, deps, createReportReader(warehouse), { App, Campaign, Partner });
  addLive(kit, deps, { App, Campaign, hub, read });
  kit.builder.mutationType({ description: 'What can be changed.' });
  const store = createExportStore(writer);
  const exporter = options.exports ? createExporter({ ...deps, ...options.exports, store }) : null;
  exporter?.start();
  addExports(kit, deps, { store, exporter, enums, inputs });
  addDeadLetters(kit, deps, { writer, ...(options.replayEvent ? { replayEvent: options.replayEvent } : {}) });
  addLiveEvents(kit, deps, { App, Event, hub: streams, settleMs });
  return defineSubgraph({
    name: 'events',
    builder: kit.builder,
    deps,
    dispose: async () => {
      hub.dispose();
      streams.dispose();
      await exporter?.dispose();
    },
  });
}
