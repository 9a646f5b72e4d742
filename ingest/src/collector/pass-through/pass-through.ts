import { isUtf8 } from 'node:buffer';
import { limits } from '@tributary/schema';
import { lineFrameOf } from '../canonical.ts';
import { slots } from '../client-fields.ts';
import type { Origin, PendingLine } from '../draft.ts';
import { wordsOf } from './bytes.ts';
import { createLineWriter, type LineContext, lineContextOf, lineOverheadBytes } from './line-writer.ts';
import { createEventScanner, skipBlanks } from './scan-event.ts';

/** A body whose events were all clean. */
export interface PassedThrough {
  readonly lines: readonly PendingLine[];
  readonly single: boolean;
  /** The ids as JSON. */
  readonly eventIds: string;
}

/**
 * The short way of the native API: events that need no change are copied from the body's bytes into their lines, in one scan,
 * without becoming objects or texts. null = the body holds something unusual, and goes the long way as a whole. Both ways
 * write the same bytes for the same event: a repeat that goes the other way has the same payload hash.
 */
export type PassThrough = (body: Uint8Array, origin: Origin) => PassedThrough | null;

/** Beyond it, the bounds of single events would have to be looked at. */
const maxEventBytes = 131_072;
const slabBytes = 65_536;
const backslash = 0x5c;
const quote = 0x22;
const bracket = 0x5b;
const bracketEnd = 0x5d;
const brace = 0x7b;
const comma = 0x2c;

const batchHead =
  /^[ \t\r\n]*\{[ \t\r\n]*(?:"sent_at"[ \t\r\n]*:[ \t\r\n]*([1-9]\d{8,14}|"[^"]{1,40}")[ \t\r\n]*,[ \t\r\n]*)?"batch"[ \t\r\n]*:[ \t\r\n]*\[/;
const batchTail =
  /^\][ \t\r\n]*(?:,[ \t\r\n]*"sent_at"[ \t\r\n]*:[ \t\r\n]*([1-9]\d{8,14}|"[^"]{1,40}")[ \t\r\n]*)?\}[ \t\r\n]*$/;
const longestHead = 200;

/** Where a body's events stand. */
interface Extent {
  readonly start: number;
  /** Where the last event ends, blanks apart. */
  readonly end: number;
  readonly single: boolean;
  readonly sentAt: unknown;
}

/** (Over 50 lines: short functions over the memory that the lines of many bodies share.) */
export function createPassThrough(): PassThrough {
  const scanner = createEventScanner();
  const writer = createLineWriter();
  let slab = wordsOf(Buffer.allocUnsafe(slabBytes));
  let free = 0;
  let ids = Buffer.allocUnsafe(slabBytes);
  let idsEnd = 0;

  function putId(body: Buffer): void {
    const start = scanner.starts[slots.event_id]!;
    const end = scanner.ends[slots.event_id]!;
    if (ids.length - idsEnd < end - start + 3) ids = Buffer.concat([ids.subarray(0, idsEnd)], ids.length * 2);
    ids[idsEnd] = quote;
    idsEnd += 1 + body.copy(ids, idsEnd + 1, start, end);
    ids[idsEnd] = quote;
    ids[idsEnd + 1] = comma;
    idsEnd += 2;
  }

  /** Adds the lines of all events to `lines`; false at the first that is not for the short way. */
  function takeEvents(
    body: Buffer,
    { start, end, single }: Extent,
    context: LineContext,
    lines: PendingLine[],
  ): boolean {
    const words = wordsOf(body);
    let at = skipBlanks(body, start, end);
    for (;;) {
      if (body[at] !== brace || lines.length === limits.batchEvents) return false;
      const after = scanner.scan(body, at, end);
      if (after < 0 || after - at > maxEventBytes) return false;
      const room = context.prefix.length + context.wholePlace.length + (after - at) * 2 + lineOverheadBytes;
      if (slab.bytes.length - free < room) {
        slab = wordsOf(Buffer.allocUnsafe(Math.max(slabBytes, room)));
        free = 0;
      }
      const line = writer.write(scanner, words, context, slab, free);
      if (line === null) return false;
      lines.push(line);
      putId(body);
      free = line.end;
      at = skipBlanks(body, after, end);
      if (at === end) return true;
      if (single || body[at] !== comma) return false;
      at = skipBlanks(body, at + 1, end);
    }
  }

  return (bytes, origin) => {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (body.length === 0 || body.includes(backslash) || !isUtf8(body)) return null;
    const extent = extentOf(body);
    if (extent === null) return null;
    const frame = lineFrameOf(origin, { sentAt: extent.sentAt, unescaped: true, ascii: false });
    if (frame.isPrivate || frame.policy.filter !== null || frame.agent.whole.length > 400) return null;
    const context = lineContextOf(frame);
    const lines: PendingLine[] = [];
    const from = free;
    const before = slab;
    idsEnd = 0;
    if (!takeEvents(body, extent, context, lines)) {
      // What was written for nothing is written over.
      if (slab === before) free = from;
      return null;
    }
    return { lines, single: extent.single, eventIds: `[${ids.toString('utf8', 0, idsEnd - 1)}]` };
  };
}

function extentOf(body: Buffer): Extent | null {
  const first = skipBlanks(body, 0, body.length);
  if (body[first] === bracket) {
    const end = body.lastIndexOf(bracketEnd);
    if (skipBlanks(body, end + 1, body.length) !== body.length) return null;
    return { start: first + 1, end: trimmed(body, end), single: false, sentAt: undefined };
  }
  const head = batchHead.exec(body.toString('latin1', 0, Math.min(longestHead, body.length)));
  if (head === null) return { start: first, end: trimmed(body, body.length), single: true, sentAt: undefined };
  const close = body.lastIndexOf(bracketEnd);
  if (close < 0 || body.length - close > longestHead) return null;
  const tail = batchTail.exec(body.toString('utf8', close, body.length));
  if (tail === null || (head[1] !== undefined && tail[1] !== undefined)) return null;
  const sentAt = head[1] ?? tail[1];
  return {
    start: head[0].length,
    end: trimmed(body, close),
    single: false,
    sentAt: sentAt === undefined ? undefined : JSON.parse(sentAt),
  };
}

/** `end` without the blanks before it. */
function trimmed(body: Buffer, end: number): number {
  let at = end;
  while (at > 0 && skipBlanks(body, at - 1, at) === at) at -= 1;
  return at;
}
