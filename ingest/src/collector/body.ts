import type { IncomingMessage } from 'node:http';
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
type Encoding = keyof typeof decoders;

/**
 * The whole body, decompressed. Both the sent and the decompressed bytes are cut at `limits.batchBytes`, so that a bomb
 * costs no more than that. Compression is found by its first bytes too, since some SDKs label it wrongly. Rejects with
 * PAYLOAD_TOO_LARGE, BODY_TIMEOUT, UNSUPPORTED_ENCODING or BODY_UNPARSABLE.
 */
export async function readBody(
  request: IncomingMessage,
  timeoutMs: number = limits.bodyTimeoutMs,
): Promise<Uint8Array> {
  const labelled = encodingOf(request.headers['content-encoding']);
  if (Number(request.headers['content-length'] ?? 0) > limits.batchBytes) throw tooLarge();
  const sent = await collect(request, timeoutMs);
  const encoding =
    labelled === 'deflate' && !hasZlibHeader(sent) ? 'rawDeflate' : (labelled ?? encodingByContent(sent));
  if (encoding === null || sent.length === 0) return sent;
  try {
    return await decoders[encoding](sent, { maxOutputLength: limits.batchBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new CodedError('BODY_UNPARSABLE', { message: `The body is not valid ${encoding}.`, cause: error });
  }
}

const tooLarge = () => new CodedError('PAYLOAD_TOO_LARGE', { details: { limitBytes: limits.batchBytes } });

/** null where the header says none. */
function encodingOf(header: string | undefined): Encoding | null {
  const name = header?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity') return null;
  if (name === 'x-gzip') return 'gzip';
  if (name === 'gzip' || name === 'deflate' || name === 'br' || name === 'zstd') return name;
  throw new CodedError('UNSUPPORTED_ENCODING', { details: { encoding: name.slice(0, 50) } });
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

function collect(request: IncomingMessage, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (end: () => void) => {
      clearTimeout(timer);
      request.off('data', onData);
      end();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > limits.batchBytes) settle(() => reject(tooLarge()));
    };
    const cutOff = (cause?: Error) =>
      settle(() => reject(new CodedError('BODY_UNPARSABLE', { message: 'The body was cut off.', cause })));
    const timer = setTimeout(() => settle(() => reject(new CodedError('BODY_TIMEOUT'))), timeoutMs);
    request.on('data', onData);
    request.on('end', () => settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))));
    request.on('error', cutOff);
  });
}
