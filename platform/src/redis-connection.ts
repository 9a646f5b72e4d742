import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from './logger.ts';

export interface RedisConnectionOptions {
  readonly url: string;
  readonly name: string;
  readonly logger?: Logger | undefined;
  /** `fail`: a command fails at once while the server is away. `wait`: it waits for the server. */
  readonly whileAway: 'fail' | 'wait';
  /** Default 500. Not applied to `wait`. */
  readonly commandTimeoutMs?: number;
}

export interface RedisConnection extends Redis {
  /** Resolves when the server answers, or after the first failed attempt, or after the time of one command. */
  firstAttempt(): Promise<void>;
  /** Lets commands in flight end for up to a second, then closes. Idempotent. */
  close(): Promise<void>;
}

/**
 * A connection that comes back by itself (50 ms, doubling up to 2 s, for as long as it is open). Losing and finding the
 * server is logged once each, not at each attempt.
 */
export function openRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { url, name, logger, whileAway, commandTimeoutMs = 500 } = options;
  const settings = {
    connectTimeout: 2_000,
    // ioredis sets this timer even when the socket is closed already; its default of 2 s would hold every exit that long.
    disconnectTimeout: 100,
    connectionName: `tributary-${name}`,
    retryStrategy: (attempt: number) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)),
    maxRetriesPerRequest: whileAway === 'wait' ? null : 0,
    enableOfflineQueue: whileAway === 'wait',
    ...(whileAway === 'wait' ? {} : { commandTimeout: commandTimeoutMs }),
  } satisfies RedisOptions;
  const redis = new Redis(url, settings);
  let away = false;
  redis.on('error', (error: Error) => {
    if (!away) logger?.warn({ err: error, connection: name }, 'Redis is away; trying again.');
    away = true;
  });
  redis.on('ready', () => {
    if (away) logger?.info({ connection: name }, 'Redis is back.');
    away = false;
  });
  let closing: Promise<void> | null = null;
  return Object.assign(redis, {
    firstAttempt: () => untilTried(redis, commandTimeoutMs),
    close() {
      closing ??= closeGently(redis);
      return closing;
    },
  });
}

function untilTried(redis: Redis, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      redis.off('ready', end);
      redis.off('close', end);
      resolve();
    };
    const timer = setTimeout(end, timeoutMs);
    redis.on('ready', end);
    redis.on('close', end);
  });
}

async function closeGently(redis: Redis): Promise<void> {
  if (redis.status === 'ready') {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, 1_000);
    });
    await Promise.race([
      redis.quit().then(
        () => undefined,
        () => undefined,
      ),
      timeout,
    ]);
    clearTimeout(timer);
  }
  redis.disconnect();
}
