import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import { decodeCursor, encodeCursor } from './kit-connection.ts';

/** Where a row lies in a stream: when it was stored (epoch ms), its id, and a number that tells equal ids apart. */
export type StreamPosition = readonly [atMs: number, id: string, number: number];

/** How long the place in a stream is held: an older cursor is answered with CURSOR_EXPIRED. */
export const streamHoldMs = 24 * 3_600_000;

/** Byte order, as the warehouse sorts texts. */
export function comparePositions(a: StreamPosition, b: StreamPosition): number {
  return a[0] - b[0] || Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1])) || a[2] - b[2];
}

const cursorKey = z.tuple([z.string(), z.string(), z.int().min(0), z.string(), z.int().min(0)]);

/** A cursor of one stream of one app; filters don't change it. */
export function streamCursorOf(stream: string, appId: string, position: StreamPosition): string {
  return encodeCursor([stream, appId, ...position]);
}

/**
 * The position in a cursor. Throws BAD_USER_INPUT when it is not one of this stream and app, CURSOR_EXPIRED when it is
 * older than `streamHoldMs`: start again without one then.
 */
export function parseStreamCursor(stream: string, appId: string, cursor: string, nowMs: number): StreamPosition {
  const [of, app, atMs, id, number] = decodeCursor(cursor, cursorKey);
  if (of !== stream || app !== appId) {
    throw new CodedError('BAD_USER_INPUT', {
      message: 'That cursor is of another stream.',
      details: { field: 'after' },
    });
  }
  if (atMs < nowMs - streamHoldMs) {
    throw new CodedError('CURSOR_EXPIRED', { details: { field: 'after', heldHours: streamHoldMs / 3_600_000 } });
  }
  return [atMs, id, number];
}
