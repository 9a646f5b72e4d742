import { createPersistence } from './persistence.ts';
import { silentLogger } from './steps/steps.testing.ts';

const settings = { firstBackoffMs: 1, longestBackoffMs: 4 };

describe('createPersistence', () => {
  it('calls the work until it is done, and tells of trouble and of its end', async () => {
    const troubles: (string | null)[] = [];
    const persistence = createPersistence({
      logger: silentLogger,
      settings,
      signal: new AbortController().signal,
      onTrouble: (trouble) => troubles.push(trouble),
    });
    let attempts = 0;
    const work = async () => {
      attempts += 1;
      if (attempts < 3) throw new Error('away');
      return 'done';
    };
    expect(await persistence.untilDone('reach it', work)).toBe('done');
    expect(troubles).toEqual(['reach it: away', 'reach it: away', null]);
  });

  it('gives up when stopped, also in a pause', async () => {
    const stop = new AbortController();
    const persistence = createPersistence({
      logger: silentLogger,
      settings: { firstBackoffMs: 60_000, longestBackoffMs: 60_000 },
      signal: stop.signal,
    });
    const working = persistence.untilDone('reach it', async () => {
      setImmediate(() => stop.abort());
      throw new Error('away');
    });
    await expect(working).rejects.toMatchObject({ name: 'AbortError' });
    expect(() => persistence.throwIfStopped()).toThrow();
  });
});
