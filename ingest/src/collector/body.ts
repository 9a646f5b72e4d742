import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { CodedError, limits } from '@tributary/schema';

const decoders = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
} as const;

/**
 * The whole body, decompressed. Both the sent and the decompressed bytes are cut at `limits.batchBytes`, so that a bomb
 * costs no more than that. Compression is found by its first bytes too, since some SDKs label it wrongly. Rejects with
 * PAYLOAD_TOO_LARGE, BODY_TIMEOUT, UNSUPPORTED_ENCODING or BODY_UNPARSABLE.
 */
export async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && encoding !== '' && encoding !== 'x-gzip' && !Object.hasOwn(decoders, encoding))
    throw new CodedError('UNSUPPORTED_ENCODING', { details: { encoding: encoding.slice(0, 50) } });
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.batchBytes)
    throw new CodedError('PAYLOAD_TOO_LARGE', { details: { limitBytes: limits.batchBytes } });
  const sent = await collect(request);
  const name =
    encoding === 'identity' || encoding === ''
      ? magicOf(sent)
      : encoding === 'x-gzip'
        ? 'gzip'
        : (encoding as keyof typeof decoders);
  if (name === null || sent.length === 0) return sent;
  try {
    return await decoders[name](sent, { maxOutputLength: limits.batchBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new CodedError('PAYLOAD_TOO_LARGE', { details: { limitBytes: limits.batchBytes } });
    throw new CodedError('BODY_UNPARSABLE', { message: `The body is not valid ${name}.`, cause: error });
  }
}

function magicOf(bytes: Uint8Array): 'gzip' | 'zstd' | null {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip';
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd ? 'zstd' : null;
}

function collect(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => fail(new CodedError('BODY_TIMEOUT')), limits.bodyTimeoutMs);
    const fail = (error: CodedError) => {
      clearTimeout(timer);
      request.removeAllListeners('data');
      reject(error);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.batchBytes)
        return fail(new CodedError('PAYLOAD_TOO_LARGE', { details: { limitBytes: limits.batchBytes } }));
      chunks.push(chunk);
    });
    request.on('end', () => {
      clearTimeout(timer);
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    });
    request.on('error', (error) =>
      fail(new CodedError('BODY_UNPARSABLE', { message: 'The body was cut off.', cause: error })),
    );
    request.on('close', () => clearTimeout(timer));
  });
}
