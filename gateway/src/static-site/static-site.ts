import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '@tributary/schema';
import { baseHeaders, sendError } from '../transport/respond.ts';
import { contentSecurityPolicy } from './content-security-policy.ts';

/** Serves one directory of files. */
export interface StaticSite {
  /** Answers every GET and HEAD; a path without a file gets the site's 404 page. */
  serve(request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void>;
  readonly files: number;
}

interface SiteFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  // Payloads of Next.js's client navigation: in a static export the client expects exactly this type.
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};

/**
 * Reads a directory of a static export once: names, hashes and the policy of each page. Requests are answered from that list and
 * nothing else, so no path can lead out of it; files added later are not served. Rejects when the directory can't be read.
 */
export async function openStaticSite(options: { readonly dir: string; readonly https?: boolean }): Promise<StaticSite> {
  const files = await indexFiles(options.dir, options.https ?? false);
  return {
    files: files.size,
    async serve(request, response, requestId) {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return sendError(response, new CodedError('METHOD_NOT_ALLOWED'), requestId);
      }
      const found = findFile(files, request.url ?? '/');
      const file = found ?? files.get('/404.html');
      if (!file) return sendError(response, new CodedError('NOT_FOUND'), requestId);
      await sendFile(request, response, file, found ? 200 : 404);
    },
  };
}

/** Clean URLs of a static export: `/overview` is `overview.html` or `overview/index.html`. */
function findFile(files: ReadonlyMap<string, SiteFile>, url: string): SiteFile | undefined {
  const path = decodePath(url.split('?', 1)[0] ?? '/');
  if (path === null) return undefined;
  const bare = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  if (bare === '/') return files.get('/index.html');
  return files.get(path) ?? files.get(`${bare}.html`) ?? files.get(`${bare}/index.html`);
}

function decodePath(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: SiteFile,
  status: number,
): Promise<void> {
  if (status === 200 && holdsEtag(request.headers['if-none-match'], file.etag)) {
    response.writeHead(304, file.headers).end();
    return;
  }
  response.writeHead(status, { ...file.headers, 'content-length': file.sizeBytes });
  if (request.method === 'HEAD') response.end();
  // A client that leaves in the middle is no fault.
  else await pipeline(createReadStream(file.path), response).catch(() => response.destroy());
}

function holdsEtag(header: string | undefined, etag: string): boolean {
  return header?.split(',').some((given) => given.trim().replace(/^W\//, '') === etag) ?? false;
}

async function indexFiles(dir: string, https: boolean): Promise<Map<string, SiteFile>> {
  const files = new Map<string, SiteFile>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const url = `/${path.slice(join(dir, '/').length).replaceAll('\\', '/')}`;
    const content = await readFile(path);
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
    files.set(url, { path, sizeBytes: content.length, etag, headers: headersOf(url, content, etag, https) });
  }
  return files;
}

function headersOf(url: string, content: Buffer, etag: string, https: boolean): Record<string, string> {
  const extension = extname(url).toLowerCase();
  const isPage = extension === '.html';
  return {
    ...baseHeaders,
    'content-type': types[extension] ?? 'application/octet-stream',
    // The build's own files carry a hash in their name; everything else is asked for again each time.
    'cache-control': url.startsWith('/_next/static/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag,
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'content-security-policy': isPage
      ? contentSecurityPolicy(content.toString('utf8'))
      : "default-src 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'; sandbox",
    ...(https ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
}
