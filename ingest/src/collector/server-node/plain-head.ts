/** The head of a request that has nothing unusual about it. */
export interface PlainHead {
  readonly url: string;
  /** By its lower-case name; `content-length` is not among them. */
  readonly header: (name: string) => string | undefined;
  /** Where the body begins. */
  readonly bodyAt: number;
  readonly bodyBytes: number;
}

/**
 * A request line, then lines of printable ASCII. No two of these parts can match the same characters, so that no text takes longer
 * than its length.
 */
const plain = /^POST \/[!-~]* HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+$/;
const urlAt = 'POST '.length;
const protocolLength = ' HTTP/1.1'.length;
/** They change what the bytes behind the head mean, or what becomes of the connection. */
const unusual = new Set(['transfer-encoding', 'expect', 'upgrade', 'proxy-connection', 'trailer']);

const plainLength = /^[\t ]*\d{1,9}[\t ]*$/;
/** Heads up to this length are remembered, each of one connection. */
const mostRemembered = 2_048;

/**
 * Reads the head of an HTTP/1.1 POST with a stated length that `bytes` begin with. null = it is not whole, or there is anything about
 * it that could be read in two ways: a header twice, a length that is no plain number, `Transfer-Encoding`, a folded line, a bare
 * line feed, a byte beyond ASCII. Then a full parser must read it; what is read here, that one reads the same (a property test).
 */
export type HeadReader = (bytes: Buffer) => PlainHead | null;

/** Of one connection: most of its heads differ in their length alone, and what is the same is not read again. */
export function createHeadReader(maxBytes: number, maxHeaders: number): HeadReader {
  let last: Known | null = null;
  return (bytes) => {
    if (bytes[0] !== 0x50) return null;
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
    if (end < 0 || end + 4 > maxBytes) return null;
    const text = bytes.toString('latin1', 0, end + 2);
    const known = last !== null && isSame(text, last) ? last : knownOf(text, bytes, maxHeaders);
    if (known === null) return null;
    if (text.length <= mostRemembered) last = known;
    const { before, after, url, header } = known;
    return { url, header, bodyAt: end + 4, bodyBytes: Number(text.slice(before.length, text.length - after.length)) };
  };
}

/** What a head says, whatever its length. */
interface Known {
  /** Its text up to the stated length, and behind it. */
  readonly before: string;
  readonly after: string;
  readonly url: string;
  readonly header: (name: string) => string | undefined;
}

function isSame(text: string, { before, after }: Known): boolean {
  return (
    text.startsWith(before) &&
    text.endsWith(after) &&
    plainLength.test(text.slice(before.length, text.length - after.length))
  );
}

function knownOf(text: string, bytes: Buffer, maxHeaders: number): Known | null {
  if (!plain.test(text)) return null;
  const lineEnd = text.indexOf('\r\n');
  const fields = fieldsIn(text, lineEnd + 2, maxHeaders);
  const length = fields?.get('content-length');
  if (!fields?.has('host') || length === undefined || !plainLength.test(text.slice(length.start, length.end)))
    return null;
  // From the bytes: what is cut out of a text keeps all of it, and some values are remembered for long.
  const cut = (start: number, end: number) => bytes.toString('latin1', start, end).trim();
  const values = new Map<string, string>();
  for (const [name, { start, end }] of fields) values.set(name, cut(start, end));
  const connection = values.get('connection');
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return null;
  values.delete('content-length');
  return {
    before: text.slice(0, length.start),
    after: text.slice(length.end),
    url: cut(urlAt, lineEnd - protocolLength),
    header: (name) => values.get(name),
  };
}

interface Field {
  readonly start: number;
  readonly end: number;
}

function fieldsIn(text: string, from: number, most: number): Map<string, Field> | null {
  const fields = new Map<string, Field>();
  for (let at = from; at < text.length; ) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r\n', colon);
    const name = text.slice(at, colon).toLowerCase();
    if (unusual.has(name) || fields.has(name) || fields.size === most) return null;
    fields.set(name, { start: colon + 1, end });
    at = end + 2;
  }
  return fields;
}
