import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '@tributary/schema';
import { aSnapshot } from './directory/snapshot.testing.ts';
import type { Directory } from './directory.ts';
import { openCache, openDirectory, openDirectoryPublisher, openEventLog, openLiveBus } from './open.ts';

describe('the switch between embedded and server form', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tributary-open-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));
  const configOf = (env: Record<string, string> = {}): Config => loadConfig({ TRIBUTARY_DATA_DIR: dataDir, ...env });

  it('opens everything embedded in the data directory when no server is configured', async () => {
    const config = configOf({ TRIBUTARY_LOG_PARTITIONS: '2' });
    const publisher = await openDirectoryPublisher(config);
    await publisher.publish(aSnapshot());
    const [log, cache, bus, directory] = await Promise.all([
      openEventLog(config),
      openCache(config),
      openLiveBus(config),
      openDirectory(config),
    ]);
    expect([log.partitionCount, directory.current().version]).toEqual([2, 1]);
    await log.checkHealth();
    await cache.set('system:k', 'v', { ttlMs: 1_000 });
    expect(await cache.get('system:k')).toBe('v');
    await Promise.all([log, cache, bus, directory, publisher].map((port) => port.dispose()));
  });

  it('opens the event log on Kafka where it is configured, and says so when no broker answers', async () => {
    // Port 1 is reserved; nothing listens there.
    await expect(openEventLog(configOf({ TRIBUTARY_KAFKA_BROKERS: '127.0.0.1:1' }))).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
    });
  });

  it('reads the directory by the given factory in the server form, and publishes nothing', async () => {
    const config = configOf({ TRIBUTARY_POSTGRES_URL: 'postgres://127.0.0.1/x' });
    const relational = { current: () => aSnapshot({ version: 9 }) } as Directory;
    expect(await openDirectory(config, { fromRelational: async () => relational })).toBe(relational);
    await expect(openDirectory(config)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const publisher = await openDirectoryPublisher(config);
    await expect(publisher.publish(aSnapshot())).resolves.toBeUndefined();
  });

  it('opens the cache on Redis where it is configured, and counts what failed open', async () => {
    const { createMetrics } = await import('./metrics.ts');
    const metrics = createMetrics('test');
    // Port 1 is reserved; nothing listens there.
    const cache = await openCache(configOf({ TRIBUTARY_REDIS_URL: 'redis://127.0.0.1:1' }), { metrics });
    expect(await cache.get('system:k')).toBeNull();
    expect(await metrics.registry.metrics()).toContain('tributary_cache_failures_total{operation="get",role="test"} 1');
    await cache.dispose();
  });
});
