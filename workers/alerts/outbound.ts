import { lookup } from 'node:dns';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Requests to URLs that tenants configure. They run inside our network, so they may not name what only we can reach: every
 * address that a name resolves to is checked at the moment of connecting (a name that answers differently later gains nothing),
 * redirects are followed here and checked again, and size and time are bounded.
 */
export interface OutboundRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Followed for GET only. Default 0. Headers go along to the same origin only. */
  readonly redirects?: number;
}

export type OutboundAnswer =
  | { readonly ok: true; readonly status: number; readonly body: string }
  /** Fit for the tenant: says nothing about our network. */
  | { readonly ok: false; readonly reason: string };

export type Outbound = (request: OutboundRequest) => Promise<OutboundAnswer>;

const reserved = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  reserved.addSubnet(net, bits, 'ipv4');
}
/** What is outside 2000::/3 isn't the public internet; inside it, documentation and the tunnels that hold IPv4 addresses. */
const publicV6 = new BlockList();
publicV6.addSubnet('2000::', 3, 'ipv6');
const reservedV6 = new BlockList();
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  reservedV6.addSubnet(net, bits, 'ipv6');
}

/** Whether an address is of the public internet. */
export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return isPublicAddress(mapped);
  if (isIP(address) === 4) return !reserved.check(address, 'ipv4');
  return isIP(address) === 6 && publicV6.check(address, 'ipv6') && !reservedV6.check(address, 'ipv6');
}

class Refused extends Error {}

const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const [first] = addresses;
    if (!first || !addresses.every(({ address }) => isPublicAddress(address))) {
      return callback(new Refused('the address is private'), '', 0);
    }
    if (options.all) callback(null, addresses as never);
    else callback(null, first.address, first.family);
  });
};

/** @param allowPrivate For tests and closed networks: `config.outboundPrivate`. */
export function createOutbound(options: { readonly allowPrivate: boolean }): Outbound {
  return async (wanted) => {
    const deadline = AbortSignal.timeout(wanted.timeoutMs);
    let { url } = wanted;
    let headers = wanted.headers ?? {};
    try {
      for (let left = wanted.redirects ?? 0; ; left -= 1) {
        const answer = await exchange({ ...wanted, url, headers }, options.allowPrivate, deadline);
        if (answer.location === null || wanted.method !== 'GET') return { ok: true, ...answer };
        if (left <= 0) return { ok: false, reason: 'too many redirects' };
        const next = new URL(answer.location, url);
        if (next.origin !== new URL(url).origin) headers = {};
        url = next.href;
      }
    } catch (error) {
      return { ok: false, reason: reasonOf(error, deadline.aborted, wanted) };
    }
  };
}

function reasonOf(error: unknown, timedOut: boolean, { timeoutMs }: OutboundRequest): string {
  if (timedOut) return `no answer within ${timeoutMs / 1_000} s`;
  if (error instanceof Refused) return error.message;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the name is not known';
  return 'the connection failed';
}

interface Exchanged {
  readonly status: number;
  readonly body: string;
  readonly location: string | null;
}

function exchange(wanted: OutboundRequest, allowPrivate: boolean, signal: AbortSignal): Promise<Exchanged> {
  const url = new URL(wanted.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Refused('only http and https are called');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // A literal address is never looked up, so it is checked here.
  if (!allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) throw new Refused('the address is private');
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const request = send(
      url,
      {
        method: wanted.method,
        headers: { 'user-agent': 'tributary', accept: '*/*', ...wanted.headers },
        signal,
        agent: false,
        ...(allowPrivate ? {} : { lookup: guardedLookup }),
      },
      (response) => {
        readBody(response, wanted.maxBytes).then((body) => {
          const status = response.statusCode ?? 0;
          const moved = status >= 300 && status < 400 && status !== 304;
          resolve({ status, body, location: moved ? (response.headers.location ?? null) : null });
        }, reject);
      },
    );
    request.on('error', reject);
    request.end(wanted.body);
  });
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      response.destroy();
      throw new Refused(`the answer is over ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
