import type { Cache } from '@tributary/platform/cache';
import { createMemoryCache } from '@tributary/platform/cache/memory';
import { openRedisCache } from '@tributary/platform/cache/redis';
import { systemClock } from '@tributary/platform/clock';
import type { CodedError, DirectoryKey } from '@tributary/schema';
import { aDirectory, aKey, anEvent, aRequest, aSnapshot, writeKey } from '../collector.testing.ts';
import { createCollectorCore } from '../core.ts';
import { createQuotas, type Quotas } from './quotas.ts';

const start = Date.UTC(2026, 10, 24, 23, 59);

function aClock() {
  let now = start;
  return {
    now: () => now,
    pass(ms: number) {
      now += ms;
    },
  };
}

/** Lets what was asked of the cache in the background be answered. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const aQuotas = (cache: (clock: ReturnType<typeof aClock>) => Cache = (clock) => createMemoryCache({ clock })) => {
  const clock = aClock();
  const shared = cache(clock);
  let unshared = 0;
  const onUnshared = () => {
    unshared += 1;
  };
  const open = () => createQuotas({ cache: shared, clock, onUnshared });
  return { clock, open, cache: shared, unshared: () => unshared };
};

const limited = (overrides: Partial<DirectoryKey>) => aKey(writeKey, overrides);
const rated = limited({ rate: { perSecond: 100, burst: 200 } });

function refusalOf(quotas: Quotas, key: DirectoryKey, events = 1): { code: string; after: number | undefined } | null {
  try {
    quotas.take(key, events);
    return null;
  } catch (error) {
    const { code, retryAfterSeconds } = error as CodedError;
    return { code, after: retryAfterSeconds };
  }
}

describe('a rate', () => {
  it('lets a burst through at once, then what the rate allows', async () => {
    const { clock, open } = aQuotas();
    const quotas = open();
    let taken = 0;
    for (let ms = 0; ms < 10_000; ms += 10) {
      for (let request = 0; request < 5; request += 1) if (refusalOf(quotas, rated) === null) taken += 1;
      await settle();
      clock.pass(10);
    }
    // 5,000 were sent in 10 s: 200 of the burst, 100 a second, and what is owed at the end.
    expect(taken).toBeGreaterThanOrEqual(1_150);
    expect(taken).toBeLessThanOrEqual(1_220);
  });

  it('that is kept to is never in the way', async () => {
    const { clock, open } = aQuotas();
    const quotas = open();
    for (let ms = 0; ms < 5_000; ms += 100) {
      expect(refusalOf(quotas, rated, 9)).toBeNull();
      await settle();
      clock.pass(100);
    }
  });

  it('says RATE_LIMITED and when to come again, and who comes then is let in', async () => {
    const quotas = createQuotas({ cache: createMemoryCache(), clock: systemClock });
    const key = limited({ rate: { perSecond: 1_000, burst: 100 } });
    expect(refusalOf(quotas, key, 600)).toBeNull();
    await settle();
    const refusal = refusalOf(quotas, key);
    const comeAgainAt = Date.now() + 1_000;
    expect(refusal).toEqual({ code: 'RATE_LIMITED', after: 1 });
    expect(() => quotas.check(key)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    while (Date.now() < comeAgainAt) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(refusalOf(quotas, key)).toBeNull();
    await quotas.dispose();
  });

  it('takes a batch larger than the burst, and has it paid back', async () => {
    const { clock, open } = aQuotas();
    const quotas = open();
    expect(refusalOf(quotas, rated, 1_000)).toBeNull();
    await settle();
    let paidAfterMs = 0;
    while (paidAfterMs < 60_000 && refusalOf(quotas, rated, 1) !== null) {
      await settle();
      clock.pass(100);
      paidAfterMs += 100;
    }
    // The full bucket pays 200 at once, the rate the other 800.
    expect(paidAfterMs).toBeGreaterThanOrEqual(7_500);
    expect(paidAfterMs).toBeLessThanOrEqual(9_000);
  });

  it('has what is owed paid while nobody asks, so that whoever waits as told is let in', async () => {
    const cache = createMemoryCache();
    const quotas = createQuotas({ cache, clock: systemClock });
    const key = limited({ rate: { perSecond: 1_000, burst: 100 } });
    const full = { capacity: 100, refillPerSecond: 1_000, cost: 0 };
    expect(refusalOf(quotas, key, 600)).toBeNull();
    // 500 are owed: five times the bucket is emptied as soon as it is full.
    const startedAt = Date.now();
    const deadline = startedAt + 10_000;
    let wasEmptied = 0;
    for (let last = 0; wasEmptied < 4 && Date.now() < deadline; ) {
      await settle();
      const { available } = await cache.takeTokens(`ten_1:rate:${key.keyId}`, full);
      if (available < last) wasEmptied += 1;
      last = available;
    }
    expect(wasEmptied).toBe(4);
    await quotas.dispose();
  });

  it('is shared by processes: together they pass what one may', async () => {
    const { clock, open } = aQuotas();
    const processes = [open(), open(), open()];
    let taken = 0;
    for (let ms = 0; ms < 10_000; ms += 10) {
      for (const quotas of processes) {
        for (let request = 0; request < 3; request += 1) if (refusalOf(quotas, rated) === null) taken += 1;
      }
      await settle();
      clock.pass(10);
    }
    // 9,000 were sent. Each process may hold back a lease and owe a request.
    expect(taken).toBeGreaterThanOrEqual(1_100);
    expect(taken).toBeLessThanOrEqual(1_240);
  });

  it('is passed by no more than a burst a process while the cache has not answered', () => {
    const { open } = aQuotas();
    const quotas = open();
    let taken = 0;
    for (let request = 0; request < 5_000; request += 1) if (refusalOf(quotas, rated) === null) taken += 1;
    expect(taken).toBe(200);
  });

  it('refuses nothing that the bucket holds, however much was taken before the cache answered', async () => {
    const clock = aClock();
    const cache = createMemoryCache({ clock });
    const answers: (() => void)[] = [];
    const takeTokens: Cache['takeTokens'] = async (...asked) => {
      await new Promise<void>((answer) => answers.push(answer));
      return cache.takeTokens(...asked);
    };
    const quotas = createQuotas({ cache: { ...cache, takeTokens }, clock });
    const slow = limited({ rate: { perSecond: 1, burst: 300 } });
    let taken = 0;
    for (let round = 0; round < 20; round += 1) {
      for (let request = 0; request < 50; request += 1) if (refusalOf(quotas, slow) === null) taken += 1;
      answers.shift()?.();
      await settle();
    }
    // The last two answers, that there is less than was asked for and then all of that, came after 50 more each.
    expect(taken).toBeGreaterThanOrEqual(300);
    expect(taken).toBeLessThanOrEqual(400);
    await quotas.dispose();
  });

  it('of a key that has none, of either kind, is none', () => {
    const quotas = aQuotas().open();
    for (const key of [limited({}), limited({ kind: 'secret', dailyQuota: null })]) {
      for (let request = 0; request < 1_000; request += 1) expect(refusalOf(quotas, key, 2_000)).toBeNull();
    }
  });

  it('that was changed in the directory holds from then on', async () => {
    const quotas = aQuotas().open();
    expect(refusalOf(quotas, rated, 400)).toBeNull();
    await settle();
    expect(refusalOf(quotas, rated)?.code).toBe('RATE_LIMITED');
    expect(refusalOf(quotas, limited({ rate: { perSecond: 1e6, burst: 1e6 } }))).toBeNull();
    expect(refusalOf(quotas, limited({}))).toBeNull();
  });
});

describe('a daily quota', () => {
  const key = limited({ dailyQuota: 1_000 });

  it('is used up by as many events, until midnight UTC', async () => {
    const { clock, open } = aQuotas();
    const quotas = open();
    for (let batch = 0; batch < 10; batch += 1) expect(refusalOf(quotas, key, 100)).toBeNull();
    expect(refusalOf(quotas, key)).toEqual({ code: 'QUOTA_EXCEEDED', after: 60 });
    expect(() => quotas.check(key)).toThrow(expect.objectContaining({ code: 'QUOTA_EXCEEDED' }));
    clock.pass(60_000);
    expect(refusalOf(quotas, key)).toBeNull();
  });

  it('is shared by processes', async () => {
    const { clock, open } = aQuotas();
    const [one, other] = [open(), open()];
    expect(refusalOf(one, key, 900)).toBeNull();
    expect(refusalOf(other, key, 50)).toBeNull();
    await settle();
    clock.pass(101);
    expect(refusalOf(other, key, 50)).toBeNull();
    await settle();
    expect(refusalOf(other, key)?.code).toBe('QUOTA_EXCEEDED');
    clock.pass(101);
    expect(refusalOf(one, key)).toBeNull();
    await settle();
    expect(refusalOf(one, key)?.code).toBe('QUOTA_EXCEEDED');
  });

  it('knows after a restart what was used before', async () => {
    const { clock, open } = aQuotas();
    const before = open();
    expect(refusalOf(before, key, 600)).toBeNull();
    expect(refusalOf(before, key, 600)).toBeNull();
    await before.dispose();
    const after = open();
    expect(refusalOf(after, key)).toBeNull();
    await settle();
    clock.pass(101);
    expect(refusalOf(after, key)?.code).toBe('QUOTA_EXCEEDED');
  });

  it('that is raised in the directory lets events through again', () => {
    const quotas = aQuotas().open();
    expect(refusalOf(quotas, key, 1_000)).toBeNull();
    expect(refusalOf(quotas, key)?.code).toBe('QUOTA_EXCEEDED');
    expect(refusalOf(quotas, limited({ dailyQuota: 2_000 }))).toBeNull();
  });
});

describe('while the cache is away', () => {
  const failing = (): Cache => {
    const fail = () => Promise.reject(new Error('away'));
    return { get: fail, set: fail, delete: fail, increment: fail, takeTokens: fail, dispose: async () => undefined };
  };

  it('rates let everything through, and it is counted', async () => {
    const { open, unshared } = aQuotas(failing);
    const quotas = open();
    for (let request = 0; request < 100; request += 1) {
      expect(refusalOf(quotas, rated, 150)).toBeNull();
      await settle();
    }
    expect(unshared()).toBeGreaterThan(50);
  });

  it('a cache that never answers holds nobody up for longer than a second', () => {
    const { clock, open, unshared } = aQuotas(() => ({ ...failing(), takeTokens: () => new Promise(() => undefined) }));
    const quotas = open();
    while (refusalOf(quotas, rated, 50) === null);
    clock.pass(1_001);
    for (let request = 0; request < 100; request += 1) expect(refusalOf(quotas, rated, 50)).toBeNull();
    expect(unshared()).toBe(100);
  });

  it('daily quotas count what this process took', async () => {
    const { open, unshared } = aQuotas(failing);
    const quotas = open();
    const key = limited({ dailyQuota: 100 });
    expect(refusalOf(quotas, key, 100)).toBeNull();
    await settle();
    expect(refusalOf(quotas, key)?.code).toBe('QUOTA_EXCEEDED');
    expect(unshared()).toBe(1);
  });
});

describe('a limited key at the collector', () => {
  const coreWith = (overrides: Partial<DirectoryKey>) =>
    createCollectorCore({ directory: aDirectory(aSnapshot({ keys: [limited(overrides)] })), quotas: aQuotas().open() });

  it('is answered 429 with Retry-After once its quota is used, before the body is looked at', () => {
    const core = coreWith({ dailyQuota: 3 });
    const batch = [1, 2, 3].map((id) => anEvent({ event_id: `e-${id}` }));
    expect(core.handle(aRequest({ batch })).response.status).toBe(200);
    const { kind, response } = core.handle(aRequest('{ no json'));
    expect([kind, response.status, response.headers['retry-after']]).toEqual(['refused', 429, '60']);
    expect(JSON.parse(response.body).error).toMatchObject({ code: 'QUOTA_EXCEEDED', retryable: true });
  });

  it('is charged for events, not for requests', async () => {
    const core = coreWith({ rate: { perSecond: 10, burst: 20 } });
    const batch = Array.from({ length: 40 }, (_, id) => anEvent({ event_id: `e-${id}` }));
    expect(core.handle(aRequest({ batch })).response.status).toBe(200);
    await settle();
    const { response } = core.handle(aRequest(anEvent()));
    expect([response.status, response.headers['retry-after']]).toEqual([429, '3']);
  });

  it('is held to its limit where the key is in the body too', async () => {
    const core = coreWith({ dailyQuota: 1 });
    const send = () => core.handle(aRequest({ ...anEvent(), write_key: writeKey }, { authorization: undefined }));
    expect([send().response.status, send().response.status]).toEqual([200, 429]);
  });
});

/** Caches whose questions are counted until they are answered. */
function countUnanswered() {
  let unanswered = 0;
  const counted = async <T>(answer: T | Promise<T>): Promise<T> => {
    unanswered += 1;
    try {
      return await answer;
    } finally {
      unanswered -= 1;
    }
  };
  return {
    counting: (cache: Cache): Cache => ({
      ...cache,
      increment: (...asked) => counted(cache.increment(...asked)),
      takeTokens: (...asked) => counted(cache.takeTokens(...asked)),
    }),
    async untilAnswered(): Promise<void> {
      do await settle();
      while (unanswered > 0);
    },
  };
}

const url = process.env['TRIBUTARY_TEST_REDIS_URL'];
(url ? describe : describe.skip)('processes that share Redis (needs TRIBUTARY_TEST_REDIS_URL)', () => {
  const burst = 300;
  // Time stands still for the processes, so that a slow answer is not taken for a Redis that is away; its own clock goes on.
  it.each([
    // A process owes at most the one event that showed it that nothing is left; Redis adds one a second.
    { asked: 'one by one, each after the answers to the last', atOnce: 1, least: burst, most: burst + 3, perSecond: 1 },
    // On credit, since nothing was answered yet; the answers leave all of them in debt.
    { asked: 'as fast as they can', atOnce: 10 * burst, least: 3 * burst, most: 3 * burst, perSecond: 0 },
  ])(
    'keep a daily quota and a burst together, asked $asked',
    async ({ atOnce, least, most, perSecond }) => {
      const failures: unknown[] = [];
      const onFailure = (_: unknown, error: unknown) => failures.push(error);
      const caches = await Promise.all(
        [1, 2, 3].map(() => openRedisCache({ url: url!, commandTimeoutMs: 60_000, onFailure })),
      );
      const { counting, untilAnswered } = countUnanswered();
      try {
        const clock = aClock();
        const processes = caches.map((cache) => createQuotas({ cache: counting(cache), clock }));
        const keyId = `key_${Math.random()}`;
        const key = limited({ keyId, rate: { perSecond: 1, burst }, dailyQuota: 100_000 });
        const startedAt = Date.now();
        let taken = 0;
        for (let refused = 0; refused < processes.length; clock.pass(1)) {
          refused = 0;
          for (const quotas of processes) {
            let request = 0;
            while (request < atOnce && refusalOf(quotas, key) === null) request += 1;
            taken += request;
            if (request < atOnce) refused += 1;
            if (atOnce === 1) await untilAnswered();
          }
          await untilAnswered();
        }
        const seconds = Math.ceil((Date.now() - startedAt) / 1_000);
        expect(failures).toEqual([]);
        expect(taken).toBeGreaterThanOrEqual(least);
        expect(taken).toBeLessThanOrEqual(most + perSecond * seconds);
        await Promise.all(processes.map((quotas) => quotas.dispose()));
        const day = Math.floor(start / 86_400_000);
        expect(Number(await caches[0]!.get(`ten_1:quota:${keyId}:${day}`))).toBe(taken);
      } finally {
        await Promise.all(caches.map((cache) => cache.dispose()));
      }
    },
    90_000,
  );
});
