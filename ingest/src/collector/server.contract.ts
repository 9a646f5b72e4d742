import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, createGzip, gzip, zstdCompress } from 'node:zlib';
import { openLmdbEventLog } from '@tributary/platform/event-log/lmdb';
import { limits } from '@tributary/schema';
import { eventsOf, readAllOf, writeKey } from './collector.testing.ts';
import type { ServerLimits } from './server.ts';

export interface ServerRuntime {
  readonly name: string;
  /** The program that runs the server; absent = this one. */
  readonly execPath?: string;
  /** Longest that a connection without a whole request head may live, where the limits say `headerTimeoutMs: 200`. */
  readonly headerTimeoutMs: number;
}

interface Opened {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  storedIds(): Promise<string[]>;
}

const anEvent = (id = 'e-1') => ({
  event_name: 'level_complete',
  event_id: id,
  anonymous_id: 'a',
  occurred_at: Date.now(),
});
const head = (more = '') => `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${writeKey}\r\n${more}`;

/**
 * What every server of the collector does, whatever it is built on: it is run in a process of its own, as the role runs it.
 * (Over 50 lines: one suite.)
 */
export function describeServerContract({ name, execPath, headerTimeoutMs }: ServerRuntime): void {
  describe(`the collector over ${name}`, () => {
    let dirs: string[] = [];
    let children: ChildProcess[] = [];
    let sockets: Socket[] = [];
    const open = async (bounds: Partial<ServerLimits> = {}): Promise<Opened> => {
      const dir = await mkdtemp(join(tmpdir(), 'tributary-server-'));
      dirs.push(dir);
      const script = fileURLToPath(new URL('./server-child.testing.ts', import.meta.url));
      const child = fork(script, [dir, JSON.stringify(bounds)], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        execArgv: [],
        ...(execPath ? { execPath } : {}),
      });
      children.push(child);
      const [said] = (await once(child, 'message')) as [{ url: string; runtime: string }];
      expect(said.runtime).toBe(name);
      return {
        url: said.url,
        port: Number(new URL(said.url).port),
        child,
        storedIds: async () => {
          const log = await openLmdbEventLog({ dir, partitions: 2 });
          const blocks = await readAllOf(log);
          await log.dispose();
          return eventsOf(blocks).map(({ event_id }) => event_id);
        },
      };
    };
    /** A connection on which this text was sent. */
    const dial = async ({ port }: Opened, text: string | Buffer): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(text);
      return socket;
    };
    const heard = async (socket: Socket, until: (text: string) => boolean = () => false): Promise<string> => {
      let text = '';
      for await (const chunk of socket) {
        text += String(chunk);
        if (until(text)) break;
      }
      return text;
    };
    const send = (opened: Opened, body: BodyInit, headers: Record<string, string> = {}) =>
      fetch(`${opened.url}/v1/events`, {
        method: 'POST',
        body,
        headers: { authorization: `Bearer ${writeKey}`, 'content-type': 'application/json', ...headers },
        ...({ duplex: 'half' } as object),
      });
    const codeOf = async (response: Response) => {
      const { error } = (await response.json()) as { error: { code: string } };
      return [response.status, error.code];
    };
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await Promise.all(dirs.map((dir) => rm(dir, { recursive: true, force: true })));
      dirs = [];
      children = [];
      sockets = [];
    });

    it('stores what it acknowledges, and says so to any origin', async () => {
      const opened = await open();
      const response = await send(opened, JSON.stringify(anEvent()));
      expect([response.status, await response.json()]).toEqual([
        200,
        { success: true, accepted: 1, event_ids: ['e-1'], rejected: [] },
      ]);
      expect(response.headers.get('x-request-id')).toMatch(/^req_/);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(await opened.storedIds()).toEqual(['e-1']);
    });

    it('takes bodies of any length and encoding, with and without a stated length', async () => {
      const opened = await open();
      const text = JSON.stringify({ batch: Array.from({ length: 500 }, (_, index) => anEvent(`e-${index}`)) });
      const stream = new ReadableStream({
        start(controller) {
          for (let at = 0; at < text.length; at += 1_000) controller.enqueue(Buffer.from(text.slice(at, at + 1_000)));
          controller.close();
        },
      });
      expect((await send(opened, stream)).status).toBe(200);
      for (const [encoding, encode] of [
        ['gzip', promisify(gzip)],
        ['br', promisify(brotliCompress)],
        ['zstd', promisify(zstdCompress)],
      ] as const) {
        const body = new Uint8Array(await encode(text));
        expect([encoding, (await send(opened, body, { 'content-encoding': encoding })).status]).toEqual([
          encoding,
          200,
        ]);
      }
      expect(await opened.storedIds()).toHaveLength(2_000);
    });

    it('answers preflights, other methods, unknown paths and its health', async () => {
      const { url } = await open();
      const ask = async (path: string, method: string) => (await fetch(url + path, { method })).status;
      expect(await ask('/v1/events', 'OPTIONS')).toBe(204);
      expect(await ask('/v1/events', 'GET')).toBe(405);
      expect(await ask('/v9/none', 'POST')).toBe(404);
      expect(await ask('/sink-health', 'GET')).toBe(200);
      expect(await ask('/c/none', 'HEAD')).toBe(404);
    });

    it('refuses unknown encodings, and bodies that are not what they say', async () => {
      const opened = await open();
      expect(await codeOf(await send(opened, '{}', { 'content-encoding': 'lzma' }))).toEqual([
        415,
        'UNSUPPORTED_ENCODING',
      ]);
      expect(await codeOf(await send(opened, '{}', { 'content-encoding': 'gzip' }))).toEqual([400, 'BODY_UNPARSABLE']);
    });

    it.each<[string, number, Record<string, string>, 413 | 415, string]>([
      ['a byte', limits.batchBytes + 1, {}, 413, 'PAYLOAD_TOO_LARGE'],
      ['half of it', limits.batchBytes * 1.5, {}, 413, 'PAYLOAD_TOO_LARGE'],
      [
        'nothing, but not for its size',
        limits.batchBytes / 2,
        { 'content-encoding': 'lzma' },
        415,
        'UNSUPPORTED_ENCODING',
      ],
    ])('refuses a body over the limit by %s, and its sender hears why', async (_, bytes, headers, status, code) => {
      const opened = await open();
      const body = Buffer.alloc(bytes, ' ');
      expect(await codeOf(await send(opened, body, headers))).toEqual([status, code]);
      // One that reads nothing before all is written.
      const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const socket = await dial(opened, head(`${more.join('')}Content-Length: ${bytes}\r\n\r\n`));
      socket.pause();
      await new Promise<void>((resolve, reject) => socket.write(body, (error) => (error ? reject(error) : resolve())));
      const answer = await heard(socket, (text) => text.includes(code));
      expect([answer.slice(0, 12), answer.includes(code)]).toEqual([`HTTP/1.1 ${status}`, true]);
      expect(await opened.storedIds()).toEqual([]);
      expect((await send(opened, JSON.stringify(anEvent()))).status).toBe(200);
    });

    it('refuses a body over the limit that does not state its length, and its sender hears why', async () => {
      const opened = await open();
      const mebibytes = (count: number) => {
        let sent = 0;
        return new ReadableStream({
          pull(controller) {
            sent += 1;
            if (sent > count) controller.close();
            else controller.enqueue(Buffer.alloc(1_048_576, ' '));
          },
        });
      };
      expect(await codeOf(await send(opened, mebibytes(12)))).toEqual([413, 'PAYLOAD_TOO_LARGE']);
      // As good as endless: where the sender is still sending when the connection ends, it may not hear the answer.
      const answer = await send(opened, mebibytes(200)).then(codeOf, () => null);
      if (answer !== null) expect(answer).toEqual([413, 'PAYLOAD_TOO_LARGE']);
      expect(await opened.storedIds()).toEqual([]);
      expect((await send(opened, JSON.stringify(anEvent()))).status).toBe(200);
    });

    it('refuses a bomb at the limit of what it unpacks to, and its memory does not grow with it', async () => {
      const opened = await open();
      const rss = async () => {
        const answer = once(opened.child, 'message') as Promise<[{ rss: number }]>;
        opened.child.send('memory');
        return (await answer)[0].rss;
      };
      const bomb = await bombOf(1_024);
      expect(bomb.length).toBeLessThan(limits.batchBytes);
      const before = await rss();
      const answers = await Promise.all(
        Array.from({ length: 8 }, async () =>
          codeOf(await send(opened, new Uint8Array(bomb), { 'content-encoding': 'gzip' })),
        ),
      );
      for (const answer of answers) expect(answer).toEqual([413, 'PAYLOAD_TOO_LARGE']);
      // Eight times the limit and the bombs themselves; unpacked they are 8 GB.
      expect((await rss()) - before).toBeLessThan(256 * 1_048_576);
    });

    it('answers 408 to a body that does not arrive in time, and ends its connection', async () => {
      const opened = await open({ bodyTimeoutMs: 100 });
      const socket = await dial(opened, head('Content-Length: 100\r\n\r\n{"event_name":'));
      const answer = await heard(socket);
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toContain('BODY_TIMEOUT');
    });

    it(`ends a connection whose head does not arrive`, async () => {
      const opened = await open({ headerTimeoutMs: 200 });
      const socket = await dial(opened, 'POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      const startedAt = performance.now();
      const answer = await heard(socket);
      expect(answer).not.toContain(' 200 ');
      expect(performance.now() - startedAt).toBeLessThan(headerTimeoutMs + 15_000);
      expect((await send(opened, JSON.stringify(anEvent()))).status).toBe(200);
    }, 60_000);

    it('refuses too many and too large headers with 431', async () => {
      const opened = await open();
      const many = Array.from({ length: limits.headerCount + 5 }, (_, index) => `X-${index}: 1\r\n`).join('');
      expect(
        await heard(await dial(opened, head(`${many}Content-Length: 2\r\n\r\n{}`)), (text) => text.includes('\r\n')),
      ).toMatch(/^HTTP\/1\.1 431 /);
      const large = `X-Large: ${'x'.repeat(limits.headerBytes + 1_000)}\r\n`;
      expect(await heard(await dial(opened, head(`${large}\r\n`)), (text) => text.includes('\r\n'))).toMatch(
        /^HTTP\/1\.1 431 /,
      );
      expect((await send(opened, JSON.stringify(anEvent()))).status).toBe(200);
    });

    it.each([
      ['of one address', { connectionsPerAddress: 4 }],
      ['in all', { connections: 4 }],
    ])('takes no more connections at once than its limit %s, and takes more when some ended', async (_, bounds) => {
      const opened = await open(bounds);
      const slow = await Promise.all(
        Array.from({ length: 4 }, () => dial(opened, head('Content-Length: 100\r\n\r\n{"event_name":'))),
      );
      await settled(async () => (await send(opened, JSON.stringify(anEvent())).catch(() => null))?.status !== 200);
      for (const socket of slow) socket.destroy();
      await settled(async () => (await send(opened, JSON.stringify(anEvent())).catch(() => null))?.status === 200);
    });

    it('answers 503 with Retry-After while too many bytes are being received', async () => {
      const opened = await open({ bodyBytesUnderWay: 100_000 });
      const half = Buffer.alloc(80_000, ' ');
      await dial(opened, Buffer.concat([Buffer.from(head('Content-Length: 90000\r\n\r\n')), half]));
      await settled(async () => {
        const response = await send(opened, Buffer.alloc(50_000, ' '));
        await response.arrayBuffer();
        return response.status === 503 && response.headers.get('retry-after') === '1';
      });
    });

    it('lives on after what is no HTTP, and after connections that are cut off', async () => {
      const opened = await open();
      const answer = await heard(await dial(opened, '\u0016\u0003\u0001 this is TLS, or nothing at all\r\n\r\n'));
      expect(answer === '' || answer.includes(' 400 ')).toBe(true);
      (await dial(opened, head('Content-Length: 100\r\n\r\n{"event_name":'))).destroy();
      expect((await send(opened, JSON.stringify(anEvent()))).status).toBe(200);
      expect(await opened.storedIds()).toEqual(['e-1']);
    });

    it('answers what is under way when it is told to end, and takes nothing more', async () => {
      const opened = await open();
      opened.child.send('hold');
      const socket = await dial(
        opened,
        head(`Content-Length: ${JSON.stringify(anEvent()).length}\r\n\r\n${JSON.stringify(anEvent())}`),
      );
      // Another request that is answered: by now the first one was read.
      await fetch(`${opened.url}/sink-health`);
      opened.child.kill('SIGTERM');
      await settled(async () =>
        fetch(`${opened.url}/sink-health`).then(
          () => false,
          () => true,
        ),
      );
      opened.child.send('release');
      expect(await heard(socket, (text) => text.includes('"accepted":1'))).toMatch(/^HTTP\/1\.1 200 /);
      if (opened.child.exitCode === null) await once(opened.child, 'exit');
      expect(opened.child.exitCode).toBe(0);
      expect(await opened.storedIds()).toEqual(['e-1']);
    }, 30_000);
  });
}

async function settled(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not become so in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** So many MB of zeros as gzip. */
async function bombOf(megabytes: number): Promise<Buffer> {
  const zeros = Buffer.alloc(1_048_576);
  const packed = createGzip({ level: 9 });
  const chunks: Buffer[] = [];
  packed.on('data', (chunk: Buffer) => chunks.push(chunk));
  for (let count = 0; count < megabytes; count += 1) if (!packed.write(zeros)) await once(packed, 'drain');
  packed.end();
  await once(packed, 'end');
  return Buffer.concat(chunks);
}
