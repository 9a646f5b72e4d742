import type { Cache } from '../cache.ts';
import type { Logger } from '../logger.ts';
import { openRedisConnection, type RedisConnection } from '../redis-connection.ts';
import { bucketTtlMs, verdictOf } from './token-bucket.ts';

export type CacheOperation = 'get' | 'set' | 'delete' | 'increment' | 'take_tokens';

export interface RedisCacheOptions {
  /** `redis:` or, with TLS, `rediss:`. */
  readonly url: string;
  readonly logger?: Logger;
  /** Told of each operation that failed open. */
  readonly onFailure?: (operation: CacheOperation, error: unknown) => void;
  /** Default 500. */
  readonly commandTimeoutMs?: number;
}

const prefix = 'tributary:cache:';

const incrementScript = `
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return value`;

/**
 * takeFromBucket of token-bucket.ts, by the server's clock, so that all processes share one. Numbers travel as text:
 * a Lua number would be cut to an integer on its way out.
 */
const takeTokensScript = `
local capacity, refill, cost, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = capacity
if stored[1] then
  tokens = math.min(capacity, tonumber(stored[1]) + math.max(0, now - tonumber(stored[2])) * refill / 1000)
end
local allowed = 0
local left = tokens
if tokens >= cost then
  allowed = 1
  left = math.min(capacity, tokens - cost)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', left), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ttl)
return { allowed, string.format('%.6f', left) }`;

type ScriptedRedis = RedisConnection & {
  tributaryIncrement(key: string, by: number, ttlMs: number): Promise<number>;
  tributaryTakeTokens(
    key: string,
    capacity: number,
    refillPerSecond: number,
    cost: number,
    ttlMs: number,
  ): Promise<[allowed: number, left: string]>;
};

/**
 * The cache that processes share. Opens whether the server is there or not: while it is away every operation fails
 * open within `commandTimeoutMs`. `increment` takes whole numbers, and answers `by` while the server is away.
 */
export async function openRedisCache(options: RedisCacheOptions): Promise<Cache> {
  const { url, logger, onFailure, commandTimeoutMs } = options;
  const redis = openRedisConnection({
    url,
    name: 'cache',
    logger,
    whileAway: 'fail',
    ...(commandTimeoutMs === undefined ? {} : { commandTimeoutMs }),
  }) as ScriptedRedis;
  redis.defineCommand('tributaryIncrement', { numberOfKeys: 1, lua: incrementScript });
  redis.defineCommand('tributaryTakeTokens', { numberOfKeys: 1, lua: takeTokensScript });

  await redis.firstAttempt();

  async function open<T>(operation: CacheOperation, work: () => Promise<T>, whileAway: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      onFailure?.(operation, error);
      return whileAway;
    }
  }

  return {
    get: (key) => open('get', () => redis.get(prefix + key), null),
    set: (key, value, { ttlMs }) =>
      open(
        'set',
        async () => void (await redis.set(prefix + key, value, 'PX', Math.max(1, Math.round(ttlMs)))),
        undefined,
      ),
    delete: (key) => open('delete', async () => void (await redis.del(prefix + key)), undefined),
    increment: (key, by, { ttlMs }) =>
      open('increment', () => redis.tributaryIncrement(prefix + key, by, Math.max(1, Math.round(ttlMs))), by),
    takeTokens: (key, bucket) =>
      open(
        'take_tokens',
        async () => {
          const { capacity, refillPerSecond, cost } = bucket;
          const [allowed, left] = await redis.tributaryTakeTokens(
            prefix + key,
            capacity,
            refillPerSecond,
            cost,
            bucketTtlMs(bucket),
          );
          return verdictOf(bucket, allowed === 1, Number(left));
        },
        { allowed: true, available: bucket.capacity, retryAfterMs: 0 },
      ),
    dispose: () => redis.close(),
  };
}
