import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { askGraph, type Family, freePorts, startFamily, startProgram, temporaryDir, until } from './family.testing.ts';

const run = async (args: readonly string[]): Promise<{ code: number | null; output: string }> => {
  const { child, output } = startProgram(args);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { code, output: output() };
};

/** One purchase of 1.00 each; resolves once they are acknowledged. */
async function post(family: Family, writeKey: string, ids: readonly string[]): Promise<void> {
  const batch = ids.map((id) => ({
    event_name: 'purchase',
    event_id: id,
    anonymous_id: `a-${id}`,
    occurred_at: Date.now(),
    revenue_amount: '1.00',
    revenue_currency: 'USD',
  }));
  const response = await fetch(`${family.collectorUrl}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${writeKey}` },
    body: JSON.stringify({ batch }),
  });
  expect(await response.json()).toMatchObject({ accepted: ids.length });
}

const countIs = (family: Family, access: Record<string, string>, wanted: number) =>
  until(async () => {
    const answer = await askGraph<{ app: { metrics: { events: number } } }>(
      family.gatewayUrl,
      access['apiKey']!,
      'query ($appId: ID!) { app(id: $appId) { metrics(range: { lastDays: 1 }) { events } } }',
      { appId: access['appId'] },
    );
    const events = answer.data?.app.metrics.events;
    if (events === wanted) return true;
    throw new Error(`${events} events, not ${wanted}`);
  });

it('a backup of the stopped product, restored after the loss of everything, answers as before and takes events exactly once', async () => {
  const folder = await temporaryDir();
  const dataDir = join(folder.dir, 'data');
  const backup = join(folder.dir, 'backup');
  const [gateway, collector, warehouse] = (await freePorts(3)) as [number, number, number];
  const options = {
    dataDir,
    ports: { gateway, collector, warehouse },
    args: ['--demo', '--rate', '0', '--installs-per-day', '0'],
  };
  let family: Family | null = null;
  try {
    family = await startFamily(options);
    const access = JSON.parse(await readFile(join(dataDir, 'demo.json'), 'utf8')) as Record<string, string>;
    const ids = Array.from({ length: 200 }, () => randomUUID());
    await post(family, access['writeKey']!, ids);
    await countIs(family, access, 200);
    // While it runs there is no backup of one moment.
    const refused = await run(['backup', '--data-dir', dataDir, '--to', backup]);
    expect([refused.code, refused.output.includes('DATA_DIR_IN_USE')]).toEqual([78, true]);
    await family.stop();

    expect(await run(['backup', '--data-dir', dataDir, '--to', backup])).toMatchObject({ code: 0 });
    await rm(dataDir, { recursive: true });
    expect(await run(['restore', '--data-dir', dataDir, '--from', backup])).toMatchObject({ code: 0 });

    family = await startFamily(options);
    await countIs(family, access, 200);
    // What was stored before the backup is still known: the same events are duplicates, new ones are counted.
    await post(family, access['writeKey']!, [...ids.slice(0, 50), ...Array.from({ length: 10 }, () => randomUUID())]);
    await countIs(family, access, 210);
  } finally {
    await family?.stop();
    await folder.dispose();
  }
}, 300_000);
