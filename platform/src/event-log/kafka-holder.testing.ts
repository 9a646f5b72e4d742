/** Reads one record of a topic, says so with its epoch, and commits when told to; says what became of the commit. */
import { once } from 'node:events';
import { openKafkaEventLog } from './kafka.ts';

const [brokers, topic] = process.argv.slice(2) as [string, string];
const log = await openKafkaEventLog({
  brokers: brokers.split(','),
  topic,
  partitions: 1,
  replication: 1,
  sessionTimeoutMs: 6_000,
});
let epoch = 0n;
const reader = await log.openReader({
  group: 'g',
  onAssigned: async (given) => {
    epoch = given[0]?.epoch ?? epoch;
  },
  onRevoked: async () => void process.stdout.write('revoked\n'),
});
while ((await reader.next({ maxBytes: 1, waitMs: 1_000 })).length === 0);
process.stdout.write(`read ${epoch}\n`);
await once(process.stdin, 'data');
const outcome = await reader.commit(0, 1n).then(
  () => 'ok',
  (error: { code?: string }) => error.code,
);
process.stdout.write(`commit ${outcome}\n`);
