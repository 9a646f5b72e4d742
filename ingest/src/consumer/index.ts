export type { Consumer, ConsumerDeps } from './consumer.ts';
export { createConsumer } from './consumer.ts';
export { blocksOfEvents, type LooseEvent } from './replay/event-blocks.ts';
export {
  dropReplay,
  type ReplayDeps,
  type ReplayReport,
  type ReplayRequest,
  recoverReplays,
  replayEvents,
  undoReplay,
} from './replay/replay.ts';
export { readVersions } from './replay/versions.ts';
export { type ConsumerSettings, defaultConsumerSettings } from './settings.ts';
export type { PartitionLag } from './upkeep.ts';
