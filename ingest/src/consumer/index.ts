export type { Consumer, ConsumerDeps } from './consumer.ts';
export { createConsumer } from './consumer.ts';
export { type ConsumerSettings, defaultConsumerSettings } from './settings.ts';
export type { PartitionLag } from './upkeep.ts';
