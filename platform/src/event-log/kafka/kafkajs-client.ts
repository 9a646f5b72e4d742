import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs, { type Kafka, type KafkaConfig, type logCreator } from 'kafkajs';
import type { Logger } from '../../logger.ts';
import type { KafkaSettings } from './settings.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** A client that consumes and administers: reads zstd, logs to our logger, gives up a request within seconds. */
export function createKafkaJs(settings: KafkaSettings): Kafka {
  mendKafkaJs();
  const { brokers, tls, sasl, logger } = settings;
  return new kafkajs.Kafka({
    clientId: 'tributary',
    brokers: [...brokers],
    ssl: tls,
    // A copy: kafkajs writes an authenticator of these very credentials into it.
    ...(sasl ? { sasl: { ...sasl } as NonNullable<KafkaConfig['sasl']> } : {}),
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: kafkaJsRetry,
    logCreator: logTo(logger),
  });
}

/** Some three seconds in all. Without it kafkajs takes other values where NODE_ENV says that it is being tested. */
export const kafkaJsRetry = { initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2, retries: 5 };

/** Done before the first client is made; a second time does nothing. */
export function mendKafkaJs(): void {
  registerZstd();
  mendRequestTimer();
}

/** kafkajs keeps its codecs in one table of the process and has none for zstd. */
function registerZstd(): void {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: (encoder: { readonly buffer: Buffer }) => compress(encoder.buffer),
    decompress: (buffer: Buffer) => decompress(buffer),
  });
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

let mended = false;

/**
 * kafkajs 2.2.4 sets a timer of a negative time when no request is waiting: Node takes it for 1 ms, so that each
 * connection wakes 1,000 times a second for nothing, and warns (TimeoutNegativeWarning). Where nothing waits there is
 * nothing to schedule: a request that has to wait schedules for itself.
 */
function mendRequestTimer(): void {
  if (mended) return;
  mended = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/requestQueue') as { readonly prototype: RequestQueue };
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/**
 * One step lower than kafkajs has them: what it calls an error, it mostly mends by itself. Each attempt to connect is told
 * at the lowest: the outage is told by those whom it stops.
 */
function logTo(logger: Logger | undefined): logCreator {
  const { ERROR, WARN } = kafkajs.logLevel;
  return () =>
    ({ level, namespace, log }) => {
      const { message, timestamp: _, logger: __, ...facts } = log;
      const text = `Kafka (${namespace}): ${message}`;
      if (namespace === 'Connection' || namespace === 'BrokerPool') logger?.debug(facts, text);
      else if (level === ERROR) logger?.warn(facts, text);
      else if (level === WARN) logger?.info(facts, text);
      else logger?.debug(facts, text);
    };
}
