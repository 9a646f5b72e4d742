import type { Socket } from 'node:net';
import { limits } from '@tributary/schema';
import { type Encoding, encodingOf } from '../body.ts';
import { type CollectorResponse, takesBody } from '../core.ts';
import { createAnswerHeads } from './answer-head.ts';
import { type Connection, type Exchange, type Shared, takeBody } from './exchange.ts';
import { createHeadReader, type HeadReader, type PlainHead } from './plain-head.ts';

/**
 * Requests of the common kind, answered on the bare connection: node:http takes some 10 µs of CPU for what they have no use for (a
 * stream for the body and one for the answer, timers, headers checked one by one). A connection that brings anything else, or
 * brings it slowly, goes on with node:http for good, that request first: what refuses, waits and times out is there.
 */
export interface PlainRequests {
  /** Takes a new connection. */
  take(socket: Socket, connection: Connection): void;
  dispose(): void;
}

/** As much is gathered here of a body that comes in pieces. */
const mostGathered = 262_144;
const sweepMs = 500;

/** A connection of which no request was unusual. */
interface Line {
  readonly socket: Socket;
  readonly connection: Connection;
  readonly peer: string | undefined;
  readonly readHead: HeadReader;
  /** A request whose body is not all there. */
  incoming: Incoming | null;
  /** What came behind a request that is not answered yet. The connection is paused then. */
  ahead: Buffer | null;
  hasAsked: boolean;
  /** The other side sends no more. */
  hasEnded: boolean;
  /** Sweeps since the last answer, or since a body began. */
  quietSweeps: number;
  readonly onData: (chunk: Buffer) => void;
  readonly onEnd: () => void;
  readonly onClose: () => void;
}

interface Incoming extends Known {
  readonly chunks: Buffer[];
  /** Of all chunks; they count against the budget. */
  bytes: number;
}

interface Known {
  readonly head: PlainHead;
  readonly labelled: Encoding | null;
}

/** `useHttp` lets node:http read on from here. (Over 50 lines: short functions over the connections of one server.) */
export function createPlainRequests(shared: Shared, useHttp: (socket: Socket) => void): PlainRequests {
  const { bounds, budget } = shared;
  const lines = new Set<Line>();
  const heads = createAnswerHeads();
  const keepAlive = `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(bounds.idleTimeoutMs / 1_000)}\r\n`;

  const take: PlainRequests['take'] = (socket, connection) => {
    const line: Line = {
      socket,
      connection,
      peer: socket.remoteAddress,
      readHead: createHeadReader(limits.headerBytes, bounds.headerCount),
      incoming: null,
      ahead: null,
      hasAsked: false,
      hasEnded: false,
      quietSweeps: 0,
      onData: (chunk) => takeBytes(line, chunk),
      onEnd: () => takeEnd(line),
      onClose: () => forget(line),
    };
    lines.add(line);
    socket.on('error', ignore).on('data', line.onData).on('end', line.onEnd).on('close', line.onClose);
  };

  const forget = (line: Line): void => {
    lines.delete(line);
    budget.give((line.incoming?.bytes ?? 0) + (line.ahead?.length ?? 0));
    line.incoming = null;
    line.ahead = null;
  };

  const leaveToHttp = (line: Line, bytes: Buffer): void => {
    const { socket, connection } = line;
    forget(line);
    socket.off('error', ignore).off('data', line.onData).off('end', line.onEnd).off('close', line.onClose);
    connection.requests = 0;
    useHttp(socket);
    socket.unshift(bytes);
  };

  const takeEnd = (line: Line): void => {
    line.hasEnded = true;
    if (line.incoming !== null) line.socket.destroy();
    else if (line.connection.requests === 0) line.socket.end();
  };

  const takeBytes = (line: Line, chunk: Buffer): void => {
    const { connection, incoming } = line;
    if (incoming !== null) gather(line, incoming, chunk);
    // One request at a time: what comes meanwhile waits, and what comes behind that waits at the sender.
    else if (connection.requests > 0) keepAhead(line, chunk);
    else begin(line, chunk);
  };

  const begin = (line: Line, chunk: Buffer): void => {
    const known = knownOf(line.readHead(chunk));
    if (known === null) leaveToHttp(line, chunk);
    else if (chunk.length >= endOf(known)) takeWhole(line, known, chunk);
    else {
      line.connection.requests = 1;
      line.quietSweeps = 0;
      line.incoming = { ...known, chunks: [], bytes: 0 };
      gather(line, line.incoming, chunk);
    }
  };

  const gather = (line: Line, incoming: Incoming, chunk: Buffer): void => {
    const { chunks } = incoming;
    chunks.push(chunk);
    if (incoming.bytes + chunk.length >= endOf(incoming)) {
      budget.give(incoming.bytes);
      line.incoming = null;
      takeWhole(line, incoming, Buffer.concat(chunks));
    } else if (incoming.bytes + chunk.length > mostGathered || !budget.take(chunk.length)) {
      leaveToHttp(line, Buffer.concat(chunks));
    } else incoming.bytes += chunk.length;
  };

  const takeWhole = (line: Line, known: Known, bytes: Buffer): void => {
    const { bodyAt, bodyBytes } = known.head;
    const end = bodyAt + bodyBytes;
    if (!budget.take(bodyBytes)) return void leaveToHttp(line, bytes);
    if (bytes.length > end) keepAhead(line, bytes.subarray(end));
    ask(line, known, bytes.subarray(bodyAt, end));
  };

  const keepAhead = (line: Line, bytes: Buffer): void => {
    line.socket.pause();
    // Nothing is lost but an answer, and its sender asks again.
    if (!budget.take(bytes.length)) return void line.socket.destroy();
    line.ahead = line.ahead === null ? bytes : Buffer.concat([line.ahead, bytes]);
  };

  const ask = (line: Line, { head, labelled }: Known, body: Buffer): void => {
    const { socket, connection, peer } = line;
    line.hasAsked = true;
    connection.requests = 1;
    const exchange: Exchange = {
      shared,
      connection,
      requestId: shared.nextId(),
      method: 'POST',
      url: head.url,
      header: head.header,
      peer,
      write: (answer) => write(line, exchange.requestId, answer),
      destroy: () => void socket.destroy(),
      held: body.length,
      isAnswered: false,
    };
    takeBody(exchange, body, labelled);
  };

  const write = (line: Line, requestId: string, answer: CollectorResponse): void => {
    const { socket } = line;
    line.quietSweeps = 0;
    if (socket.destroyed) return;
    const { status, body, bytes } = answer;
    const isLast = shared.isDraining || line.hasEnded;
    const length = bytes?.length ?? Buffer.byteLength(body);
    const stated = status === 204 ? '' : `content-length: ${length}\r\n`;
    const head = `${heads.of(answer)}x-request-id: ${requestId}\r\n${stated}${isLast ? 'connection: close\r\n' : keepAlive}\r\n`;
    let flows = socket.write(head + body, length === body.length ? 'latin1' : 'utf8');
    if (bytes !== undefined) flows = socket.write(bytes);
    if (isLast) return void socket.end();
    if (flows && line.ahead === null) return;
    socket.pause();
    if (flows) setImmediate(readOn, line);
    else socket.once('drain', () => readOn(line));
  };

  const readOn = (line: Line): void => {
    const { ahead, socket } = line;
    if (socket.destroyed) return;
    socket.resume();
    if (ahead === null) return;
    budget.give(ahead.length);
    line.ahead = null;
    takeBytes(line, ahead);
  };

  const sweep = (): void => {
    heads.tick();
    for (const line of lines) {
      line.quietSweeps += 1;
      if (line.incoming !== null) {
        if (line.quietSweeps > 1) leaveToHttp(line, Buffer.concat(line.incoming.chunks));
      } else if (line.connection.requests === 0) {
        const mostMs = line.hasAsked ? bounds.idleTimeoutMs : bounds.headerTimeoutMs;
        if (line.quietSweeps * sweepMs > mostMs) line.socket.destroy();
      }
    }
  };
  const sweeping = setInterval(sweep, sweepMs).unref();
  return { take, dispose: () => clearInterval(sweeping) };
}

const ignore = (): void => undefined;

const endOf = ({ head }: Known): number => head.bodyAt + head.bodyBytes;

/** null = node:http is to read it: it is unusual, or will be refused for its head alone. */
function knownOf(head: PlainHead | null): Known | null {
  if (head === null || head.bodyBytes > limits.batchBytes || !takesBody(pathIn(head.url))) return null;
  try {
    return { head, labelled: encodingOf(head.header('content-encoding')) };
  } catch {
    return null;
  }
}

function pathIn(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}
