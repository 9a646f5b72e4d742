import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib';
import { CodedError, limits } from '@tributary/schema';

const decoders = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  rawDeflate: promisify(inflateRaw),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
} as const;
export type Encoding = keyof typeof decoders;

export const tooLarge = (): CodedError =>
  new CodedError('PAYLOAD_TOO_LARGE', { details: { limitBytes: limits.batchBytes } });

/** What the header says, null where it says none. Throws UNSUPPORTED_ENCODING. */
export function encodingOf(header: string | null | undefined): Encoding | null {
  if (!header) return null;
  const name = header.trim().toLowerCase();
  if (name === '' || name === 'identity') return null;
  if (name === 'x-gzip') return 'gzip';
  if (name === 'gzip' || name === 'deflate' || name === 'br' || name === 'zstd') return name;
  throw new CodedError('UNSUPPORTED_ENCODING', { details: { encoding: name.slice(0, 50) } });
}

/** How a body is really compressed: found by its first bytes too, since some SDKs label it wrongly. null = not at all. */
export function actualEncoding(sent: Uint8Array, labelled: Encoding | null): Encoding | null {
  if (sent.length === 0) return null;
  if (labelled === 'deflate' && !hasZlibHeader(sent)) return 'rawDeflate';
  return labelled ?? encodingByContent(sent);
}

/**
 * Decompressed bytes are cut at `limits.batchBytes`, so that a bomb costs no more than that. Rejects with PAYLOAD_TOO_LARGE or
 * BODY_UNPARSABLE.
 */
export async function unpack(sent: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
  try {
    return await decoders[encoding](sent, { maxOutputLength: limits.batchBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new CodedError('BODY_UNPARSABLE', { message: `The body is not valid ${encoding}.`, cause: error });
  }
}

/** By the standard `deflate` has zlib's header; some senders leave it out. */
function hasZlibHeader([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 15) === 8 && (first * 256 + second) % 31 === 0;
}

/** JSON begins with neither of these. Brotli has no magic bytes. */
function encodingByContent(bytes: Uint8Array): Encoding | null {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip';
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd ? 'zstd' : null;
}
