import { randomBytes } from 'node:crypto';
import { sha256Hex } from '@tributary/schema';

export type MintedKind = 'api' | 'write' | 'secret';

/** A key just made. `key` is shown once and kept nowhere. */
export interface MintedKey {
  readonly key: string;
  readonly hash: string;
  readonly prefix: string;
}

const marks = { api: 'trk_live_', write: 'trk_write_', secret: 'trk_secret_' } as const;
const randomByteCount = 24;
const shownRandomCharacters = 6;

/**
 * A new key of 192 random bits whose beginning says what it is, for people and for scanners of leaked secrets. A plain
 * SHA-256 is enough to store it: there is nothing to guess in so many random bits.
 */
export function mintKey(kind: MintedKind): MintedKey {
  const key = `${marks[kind]}${randomBytes(randomByteCount).toString('base64url')}`;
  return { key, hash: sha256Hex(key), prefix: key.slice(0, marks[kind].length + shownRandomCharacters) };
}
