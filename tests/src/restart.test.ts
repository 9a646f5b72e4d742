import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { askGraph, descendants, freePorts, startFamily, startProgram, temporaryDir, until } from './family.testing.ts';

const exitOf = (child: ReturnType<typeof startProgram>['child']): Promise<number | null> =>
  child.exitCode !== null ? Promise.resolve(child.exitCode) : new Promise((resolve) => child.once('exit', resolve));

describe('the process family', () => {
  it('drains on SIGTERM, leaves nobody, and goes on where it was when started again', async () => {
    const folder = await temporaryDir();
    const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
    const options = {
      dataDir: folder.dir,
      ports: { gateway, collector, warehouse },
      args: ['--demo', '--rate', '0', '--installs-per-day', '0'],
    };
    try {
      const first = await startFamily(options);
      const access = JSON.parse(await readFile(join(folder.dir, 'demo.json'), 'utf8')) as Record<string, string>;
      expect(Object.keys(access).sort()).toEqual(
        ['apiKey', 'appId', 'collectorUrl', 'consoleUrl', 'graphqlUrl', 'secretKey', 'writeKey'].sort(),
      );
      expect((await stat(join(folder.dir, 'demo.json'))).mode & 0o077).toBe(0);
      const pids = await descendants(first.main.pid!);
      const batch = Array.from({ length: 300 }, () => ({
        event_name: 'level_complete',
        event_id: randomUUID(),
        anonymous_id: 'a',
        occurred_at: Date.now(),
      }));
      const response = await fetch(`${first.collectorUrl}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${access['writeKey']}` },
        body: JSON.stringify({ batch }),
      });
      expect(((await response.json()) as { accepted: number }).accepted).toBe(300);
      expect(await first.stop()).toBe(0);
      const alive = pids.filter((pid) => {
        try {
          process.kill(pid, 0);
          return true;
        } catch {
          return false;
        }
      });
      expect(alive).toEqual([]);

      const second = await startFamily(options);
      expect(JSON.parse(await readFile(join(folder.dir, 'demo.json'), 'utf8'))).toEqual(access);
      const count = await until(async () => {
        const answer = await askGraph<{ app: { metrics: { events: number } } }>(
          second.gatewayUrl,
          access['apiKey']!,
          'query ($appId: ID!) { app(id: $appId) { metrics(range: { lastDays: 1 }) { events } } }',
          { appId: access['appId'] },
        );
        return answer.data && answer.data.app.metrics.events >= 300 ? answer.data.app.metrics.events : null;
      });
      expect(count).toBe(300);
      expect(await second.stop()).toBe(0);
    } finally {
      await folder.dispose();
    }
  }, 240_000);

  it('lists all faults of its configuration together and starts nothing', async () => {
    const folder = await temporaryDir();
    const { child, output } = startProgram(['serve', '--role', 'all', '--data-dir', join(folder.dir, 'never')], {
      TRIBUTARY_PORT: '99999',
      TRIBUTARY_REDIS_URL: 'ftp://x',
      TRIBUTARY_UNHEARD_OF: '1',
    });
    expect(await exitOf(child)).toBe(78);
    for (const name of ['TRIBUTARY_PORT', 'TRIBUTARY_REDIS_URL', 'TRIBUTARY_UNHEARD_OF'])
      expect(output()).toContain(name);
    expect(output()).toContain('CONFIG_INVALID');
    await expect(stat(join(folder.dir, 'never'))).rejects.toThrow('ENOENT');
    await folder.dispose();
  }, 30_000);

  it('lets nobody else into its data directory', async () => {
    const folder = await temporaryDir();
    const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
    const family = await startFamily({ dataDir: folder.dir, ports: { gateway, collector, warehouse } });
    try {
      for (const args of [
        ['serve', '--role', 'all', '--port', '0', '--collector-port', '0', '--warehouse-port', '0'],
        ['init', '--tenant', 'Acme', '--email', 'owner@acme.example', '--app', 'My game'],
        ['serve', '--role', 'subgraph:campaigns'],
      ]) {
        const second = startProgram([...args, '--data-dir', folder.dir]);
        expect([args[1], await exitOf(second.child)]).toEqual([args[1], 78]);
        expect(second.output()).toContain('DATA_DIR_IN_USE');
      }
    } finally {
      await family.stop();
      await folder.dispose();
    }
  }, 150_000);

  it('makes the first tenant without the demo, once the keys are shown', async () => {
    const folder = await temporaryDir();
    const { child, output } = startProgram([
      'init',
      '--data-dir',
      folder.dir,
      '--tenant',
      'Acme',
      '--email',
      'owner@acme.example',
      '--app',
      'My game',
    ]);
    expect(await exitOf(child)).toBe(0);
    const made = JSON.parse(output().slice(0, output().lastIndexOf('}') + 1)) as Record<string, string>;
    expect(Object.keys(made).sort()).toEqual(['apiKey', 'appId', 'memberId', 'secretKey', 'tenantId', 'writeKey']);
    await folder.dispose();
  }, 60_000);
});
