import { CodedError, type LogBlock } from '@tributary/schema';
import type { KafkaMessage } from 'kafkajs';
import type { LogRecord } from '../../event-log.ts';
import { decodeParts, encodeHead } from '../frame.ts';

/**
 * A block as a Kafka record: the value is the body, newline-delimited JSON that other readers of the topic (ClickHouse's
 * own Kafka engine too) take as it is; all else is in one header, under a checksum over both, since the client that
 * reads does not check Kafka's own. The key is the block id.
 */
export const headName = 'tributary-block';

export interface RecordToSend {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers: Map<Buffer, Buffer>;
}

const headKey = Buffer.from(headName);

/** Throws CodedError INTERNAL for a block that is not whole. */
export function encodeRecord(block: LogBlock, topic: string): RecordToSend {
  const { header, body } = block;
  return {
    topic,
    partition: header.partition,
    key: Buffer.from(header.blockId),
    value: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    headers: new Map([[headKey, encodeHead(block)]]),
  };
}

/** Bytes of a record before compression, with some room for its frame. */
export function bytesOf(record: RecordToSend): number {
  let bytes = record.value.length + record.key.length + 64;
  for (const [name, value] of record.headers) bytes += name.length + value.length;
  return bytes;
}

/** Throws CodedError INTERNAL, with partition and offset, for a record that is no block of ours or is damaged. */
export function decodeRecord(message: KafkaMessage, partition: number): LogRecord {
  try {
    const head = message.headers?.[headName];
    if (!Buffer.isBuffer(head) || message.value === null) throw new Error('it has no block header');
    return { ...decodeParts(head, message.value), partition, offset: BigInt(message.offset) };
  } catch (cause) {
    throw new CodedError('INTERNAL', {
      message: `The block at offset ${message.offset} of partition ${partition} of the event log cannot be read.`,
      cause,
      details: { partition, offset: Number(message.offset) },
    });
  }
}
