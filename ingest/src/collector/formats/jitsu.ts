import { limits } from '@tributary/schema';
import { type Decode, keyInAuthorization, type WireFormat } from './format.ts';
import { decodeSegment } from './segment.ts';

/** Paths of servers and of browsers; the last segment is the message's type. */
export const jitsuPaths: readonly string[] = ['', 's2s/'].flatMap((door) =>
  ['batch', 'track', 'identify', 'page', 'screen', 'group', 'alias'].map((type) => `/api/s/${door}${type}`),
);

/** Jitsu's messages are Segment's, one a request. The `writeKey` in the body is masked by the SDK and no key. */
export const decodeJitsu: Decode = (input, parse) => {
  const decoded = decodeSegment(input, parse);
  return { ...decoded, key: decoded.key === null || decoded.key.includes('***') ? null : decoded.key };
};

export const jitsuFormat: WireFormat = {
  sourceFormat: 'jitsu',
  methods: ['POST'],
  maxEventBytes: limits.eventBytes,
  /** The SDK wants `id:secret`; the key is the part behind the colon. */
  keyOf: (request) => {
    const header = request.header('x-write-key');
    if (header === undefined) return keyInAuthorization(request);
    const secret = header.slice(header.indexOf(':') + 1).trim();
    return secret === '' ? header.replace(/:\s*$/, '').trim() : secret;
  },
  decode: decodeJitsu,
};
