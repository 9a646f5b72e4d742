import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { aBlock } from './block.testing.ts';
import { openKafkaEventLog } from './kafka.ts';

const brokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS'];

if (brokers) describeStale(brokers);
else {
  describe.skip('a Kafka reader that was stopped (TRIBUTARY_TEST_KAFKA_BROKERS is not set)', () => {
    it('loses its partitions', () => undefined);
  });
}

function describeStale(brokers: string): void {
  describe('a Kafka reader that was stopped', () => {
    it('loses its partitions to another with a greater epoch; woken, its commit is refused and it is told', async () => {
      const topic = `stale-${randomUUID()}`;
      const options = { brokers: brokers.split(','), topic, partitions: 1, replication: 1, sessionTimeoutMs: 6_000 };
      const log = await openKafkaEventLog(options);
      await log.append([aBlock()]);
      const script = fileURLToPath(new URL('./kafka-holder.testing.ts', import.meta.url));
      const child = spawn(process.execPath, [script, brokers, topic], { stdio: ['pipe', 'pipe', 'inherit'] });
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const line = async (): Promise<string> => (await lines.next()).value as string;
      try {
        const [said, epochOfStopped] = (await line()).split(' ');
        expect(said).toBe('read');
        child.kill('SIGSTOP');
        let epoch = 0n;
        const onAssigned = async (given: readonly { readonly epoch: bigint }[]): Promise<void> => {
          epoch = given[0]?.epoch ?? epoch;
        };
        const reader = await log.openReader({ group: 'g', onAssigned });
        while ((await reader.next({ maxBytes: 1, waitMs: 1_000 })).length === 0);
        expect(epoch > BigInt(epochOfStopped!)).toBe(true);
        child.stdin.write('commit\n');
        child.kill('SIGCONT');
        expect([await line(), await line()].sort()).toEqual(['commit STALE_OWNER', 'revoked']);
        expect(await log.committed('g')).toEqual([0n]);
      } finally {
        child.kill('SIGKILL');
        await log.dispose();
      }
    }, 60_000);
  });
}
