import { type BaseOptions, ProduceAcks, Producer } from '@platformatic/kafka';
import { CodedError, type LogBlock } from '@tributary/schema';
import { withinTime } from '../within-time.ts';
import { bytesOf, encodeRecord, type RecordToSend } from './record.ts';
import type { KafkaSettings } from './settings.ts';

/** Makes blocks durable: acks=all, zstd, idempotent. */
export interface KafkaAppender {
  /** As EventLog.append. */
  append(blocks: readonly LogBlock[]): Promise<void>;
  /** Waits for appends under way; further ones are refused. */
  dispose(): Promise<void>;
}

interface Waiting {
  readonly record: RecordToSend;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

type BlockProducer = Producer<Buffer, Buffer, Buffer, Buffer>;

/** Each has one request under way; while one waits for the broker, others compress. */
const laneCount = 4;
/** Of one request. */
const maxRequestBytes = 8 * 1_048_576;
/** Beyond it appends are refused at once: nobody is served by a queue that grows until memory ends. */
const maxWaitingBytes = 128 * 1_048_576;

export function createKafkaAppender(settings: KafkaSettings): KafkaAppender {
  const lanes = Array.from({ length: laneCount }, () => createLane(settings));
  let closed = false;
  return {
    async append(blocks) {
      if (closed) throw new CodedError('LOG_UNAVAILABLE', { message: 'The event log is closed.' });
      const waiting = blocks.map((block) => {
        const record = encodeRecord(block, settings.topic);
        return { record, bytes: bytesOf(record) };
      });
      const largest = waiting.find(({ bytes }) => bytes > settings.maxMessageBytes);
      if (largest) {
        throw new CodedError('INTERNAL', {
          message: `A block of ${largest.bytes} bytes is over the log's limit of ${settings.maxMessageBytes}.`,
        });
      }
      await Promise.all(waiting.map(({ record, bytes }) => lanes[record.partition % laneCount]!.send(record, bytes)));
    },
    async dispose() {
      closed = true;
      await Promise.all(lanes.map((lane) => lane.dispose()));
    },
  };
}

/**
 * Sends what waits, one request at a time; what comes meanwhile waits for the next one and shares it (group commit).
 *
 * One at a time, and a new producer after each failure, are both needed: @platformatic/kafka numbers batches when it
 * sends and counts on when it is answered, so a second request under way, or one after an answer that was lost, would
 * carry a number that the broker has seen. It would call that batch a repeat and drop it.
 *
 * (Over 50 lines: one closure over the queue; each function inside is short.)
 */
function createLane(settings: KafkaSettings) {
  const { appendTimeoutMs, maxMessageBytes } = settings;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let sending: Promise<void> | null = null;
  let producer: BlockProducer | null = null;

  function takeBatch(): Waiting[] {
    const ofPartition = new Map<number, number>();
    let total = 0;
    let size = 0;
    for (const { record, bytes } of waiting) {
      const sum = (ofPartition.get(record.partition) ?? 0) + bytes;
      // The records of a partition travel as one batch, which the broker holds against max.message.bytes.
      if (size > 0 && (sum > maxMessageBytes || total + bytes > maxRequestBytes)) break;
      ofPartition.set(record.partition, sum);
      total += bytes;
      size += 1;
    }
    const batch = waiting.slice(0, size);
    waiting = waiting.slice(size);
    waitingBytes -= total;
    return batch;
  }

  async function run(): Promise<void> {
    // A turn later, so that all appends of one turn of the event loop share a request.
    await null;
    while (waiting.length > 0) {
      const batch = takeBatch();
      try {
        producer ??= createProducer(settings);
        await withinTime(producer.send({ messages: batch.map(({ record }) => ({ ...record })) }), appendTimeoutMs);
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        abandon();
        const unavailable = cause instanceof CodedError ? cause : new CodedError('LOG_UNAVAILABLE', { cause });
        for (const { reject } of batch) reject(unavailable);
      }
    }
    sending = null;
  }

  function abandon(): void {
    const abandoned = producer;
    producer = null;
    abandoned?.close().catch(() => undefined);
  }

  return {
    send(record: RecordToSend, bytes: number): Promise<void> {
      if (waitingBytes + bytes > maxWaitingBytes) {
        return Promise.reject(new CodedError('LOG_UNAVAILABLE', { message: 'Too much waits for the event log.' }));
      }
      waitingBytes += bytes;
      return new Promise((resolve, reject) => {
        waiting.push({ record, bytes, resolve, reject });
        sending ??= run();
      });
    },
    async dispose(): Promise<void> {
      await sending;
      await producer?.close().catch(() => undefined);
    },
  };
}

function createProducer(settings: KafkaSettings): BlockProducer {
  return new Producer<Buffer, Buffer, Buffer, Buffer>(producerOptionsOf(settings));
}

/** What an acknowledged block rests on: all in-sync replicas have it, and a request that is tried again is written once. */
export function producerOptionsOf(settings: KafkaSettings) {
  return {
    ...platformaticOptionsOf(settings),
    idempotent: true,
    acks: ProduceAcks.ALL,
    compression: 'zstd',
  } as const;
}

/** How @platformatic/kafka reaches the brokers; it tries a request again twice. */
export function platformaticOptionsOf({ brokers, tls, sasl, appendTimeoutMs }: KafkaSettings): BaseOptions {
  return {
    clientId: 'tributary',
    bootstrapBrokers: [...brokers],
    retries: 2,
    retryDelay: 250,
    connectTimeout: 3_000,
    requestTimeout: appendTimeoutMs,
    timeout: appendTimeoutMs,
    autocreateTopics: false,
    ...(tls ? { tls: {}, tlsServerName: true } : {}),
    ...(sasl
      ? {
          sasl: {
            mechanism: sasl.mechanism.toUpperCase() as 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
            username: sasl.username,
            password: sasl.password,
          },
        }
      : {}),
  };
}
