import { createHmac, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobStore } from '@tributary/platform/blob-store';
import type { Clock } from '@tributary/platform/clock';
import { CodedError, type ErrorCode, errorCatalogue } from '@tributary/schema';
import { z } from 'zod';
import { type ExportFormat, exportFormats } from './export-store.ts';
import { exportBlobKey } from './exporter.ts';

/** How long a link lasts; a new one can be had while the file is kept. */
export const downloadLinkMs = 3_600_000;

const tokenSchema = z.tuple([z.string(), z.enum(exportFormats), z.number()]);

// The purpose is signed along, so that no other token of ours, signed by the same secret, is one of these.
const signatureOf = (payload: string, secret: string) =>
  createHmac('sha256', secret).update(`export-download:${payload}`).digest();

/** Whoever has it may fetch this file until then. */
export function signDownload(jobId: string, format: ExportFormat, expiresAtMs: number, secret: string): string {
  const payload = Buffer.from(JSON.stringify([jobId, format, expiresAtMs])).toString('base64url');
  return `${payload}.${signatureOf(payload, secret).toString('base64url')}`;
}

function parseToken(token: string | null, secret: string) {
  const [payload = '', signature = ''] = (token ?? '').split('.');
  const given = Buffer.from(signature, 'base64url');
  const wanted = signatureOf(payload, secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
  const [jobId, format, expiresAtMs] = tokenSchema.parse(
    JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')),
  );
  return { jobId, format, expiresAtMs };
}

const types = {
  NDJSON: 'application/x-ndjson',
  CSV: 'text/csv; charset=utf-8',
  PARQUET: 'application/vnd.apache.parquet',
} as const;

export interface ExportHandlerDeps {
  readonly blobs: BlobStore;
  readonly signingSecret: string;
  readonly clock: Clock;
}

/**
 * Serves `GET` and `HEAD /exports/<job id>?token=…`: whole or one byte range (RFC 9110), with an ETag, so that a download
 * that broke off is gone on with. Mount it on the gateway's server beside `/graphql`; it asks for no session, the token is
 * the right.
 */
export function createExportHandler({
  blobs,
  signingSecret,
  clock,
}: ExportHandlerDeps): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new CodedError('METHOD_NOT_ALLOWED');
      const url = new URL(request.url);
      const jobId = /^\/exports\/([A-Za-z0-9_-]{1,100})$/.exec(url.pathname)?.[1];
      const token = parseToken(url.searchParams.get('token'), signingSecret);
      if (!jobId || token?.jobId !== jobId) throw new CodedError('NOT_FOUND');
      if (token.expiresAtMs <= clock.now()) {
        throw new CodedError('FORBIDDEN', {
          message: 'This link has expired. Ask for the job again to get a new one.',
        });
      }
      return await serve(blobs, request, jobId, token.format);
    } catch (error) {
      return refusal(error instanceof CodedError ? error : new CodedError('INTERNAL', { cause: error }));
    }
  };
}

async function serve(blobs: BlobStore, request: Request, jobId: string, format: ExportFormat): Promise<Response> {
  const key = exportBlobKey(jobId, format);
  const facts = await blobs.stat(key);
  if (!facts) throw new CodedError('NOT_FOUND', { message: 'This file is not there, or not any more.' });
  const { sizeBytes } = facts;
  const etag = `"${facts.version}"`;
  const headers: Record<string, string> = {
    'content-type': types[format],
    'content-disposition': `attachment; filename="${key}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-store',
    'x-content-type-options': 'nosniff',
    etag,
  };
  // A range of another version of the file would be put together with this one: then the whole is sent.
  const ifRange = request.headers.get('if-range');
  const wanted = ifRange !== null && ifRange !== etag ? 'whole' : parseRange(request.headers.get('range'), sizeBytes);
  if (wanted === 'unsatisfiable') {
    return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${sizeBytes}` } });
  }
  const { start, end } = wanted === 'whole' ? { start: 0, end: sizeBytes - 1 } : wanted;
  headers['content-length'] = String(end - start + 1);
  if (wanted !== 'whole') headers['content-range'] = `bytes ${start}-${end}/${sizeBytes}`;
  const status = wanted === 'whole' ? 200 : 206;
  if (request.method === 'HEAD' || sizeBytes === 0) return new Response(null, { status, headers });
  const stream = await blobs.open(key, { start, end });
  if (!stream) throw new CodedError('NOT_FOUND');
  return new Response(Readable.toWeb(stream) as ReadableStream<Uint8Array>, { status, headers });
}

/** One byte range. Several, other units and nonsense are answered with the whole, as the RFC allows. */
function parseRange(
  header: string | null,
  sizeBytes: number,
): { start: number; end: number } | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return 'whole';
  const [, from = '', to = ''] = match;
  if (from === '') {
    const last = Number(to);
    return last === 0 || sizeBytes === 0
      ? 'unsatisfiable'
      : { start: Math.max(0, sizeBytes - last), end: sizeBytes - 1 };
  }
  const start = Number(from);
  const end = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== '' && Number(to) < start) return 'whole';
  return start >= sizeBytes ? 'unsatisfiable' : { start, end };
}

function refusal(error: CodedError): Response {
  const code: ErrorCode = error.code;
  return Response.json(
    { error: { code, message: code === 'INTERNAL' ? errorCatalogue.INTERNAL.text : error.message } },
    { status: error.http, headers: { 'cache-control': 'no-store' } },
  );
}
