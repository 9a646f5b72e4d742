import type { LiveTopic } from '@tributary/schema';

/** Every topic, for adapters that carry all of them; the type fails when one is missing. */
const carried: Readonly<Record<LiveTopic, true>> = {
  'metrics.touched': true,
  'install.attributed': true,
  'conversion.recorded': true,
  'fraud.flagged': true,
  'alert.fired': true,
  'job.progress': true,
  'directory.changed': true,
};
export const liveTopics = Object.keys(carried) as readonly LiveTopic[];

export function isLiveTopic(value: unknown): value is LiveTopic {
  return typeof value === 'string' && Object.hasOwn(carried, value);
}
