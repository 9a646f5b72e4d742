import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';

const { h64, h64Raw } = await xxhash();

/** xxHash64 (seed 0) of a text's UTF-8 bytes; equals ClickHouse's `xxHash64(text)`. */
export function hash64(text: string): bigint {
  return h64(text);
}

export function hash64Bytes(bytes: Uint8Array): bigint {
  return h64Raw(bytes);
}

/** 16 lower-case hex digits. */
export function hex64(hash: bigint): string {
  return hash.toString(16).padStart(16, '0');
}

/** Lower-case hex SHA-256: how keys are stored. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
