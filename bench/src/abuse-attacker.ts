import { connect, type Socket } from 'node:net';
import { constants, deflateRawSync } from 'node:zlib';

/**
 * The attacking side of the abuse benchmark, a process of its own: slow-loris sockets, gzip bombs and bodies of 100 MB, all at
 * once and over and over, until it is killed. Answers `stats` over the channel. Arguments: port, key, sockets.
 */
const [, , port, key, sockets] = process.argv as [string, string, string, string, string];
const from = '127.0.0.2';
/** Between two of a kind: the attacker shares the machine, and is to weigh on the server, not on the cores. */
const pauseMs = 1_000;
const counts = { lorisClosed: 0, lorisOpen: 0, bombs: 0, bombsRefused: 0, bombMs: 0, large: 0, largeRefused: 0 };

const head = (headers: string) =>
  `POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`;

/** Its request's head comes a byte a second, and it comes back when it is thrown out. */
function loris(): void {
  const socket = dial();
  let isOpen = false;
  const drip = setInterval(() => socket.write('x'), 1_000);
  socket.on('connect', () => {
    isOpen = true;
    counts.lorisOpen += 1;
    socket.write('POST /v1/events HTTP/1.1\r\nHost: bench\r\nX-Slow: ');
  });
  socket.on('close', () => {
    clearInterval(drip);
    if (isOpen) {
      counts.lorisOpen -= 1;
      counts.lorisClosed += 1;
    }
    setTimeout(loris, 200);
  });
}

/** 10 GB of zeros as gzip, made at once: a megabyte's worth that may follow itself any number of times. */
function bombBody(): Buffer {
  const megabyte = deflateRawSync(Buffer.alloc(1_048_576), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([header, ...Array.from({ length: 10_240 }, () => megabyte)]);
}

const bomb = bombBody();

function sendBomb(): void {
  const socket = dial();
  const startedAt = performance.now();
  counts.bombs += 1;
  socket.write(head('Content-Encoding: gzip\r\nTransfer-Encoding: chunked'));
  // Its end is never sent where it is cut off before: it goes in pieces, as a client would send it.
  socket.write(`${bomb.length.toString(16)}\r\n`);
  socket.write(bomb);
  socket.write('\r\n0\r\n\r\n');
  answered(socket, (text) => {
    if (text.includes(' 413 ')) counts.bombsRefused += 1;
    counts.bombMs = performance.now() - startedAt;
    setTimeout(sendBomb, pauseMs);
  });
}

const megabyte = Buffer.alloc(1_048_576, ' ');

/** 100 MB, chunk by chunk, whatever the server says. */
function sendLarge(): void {
  const socket = dial();
  counts.large += 1;
  socket.write(head('Transfer-Encoding: chunked'));
  let sent = 0;
  const more = () => {
    while (sent < 100 && !socket.destroyed) {
      sent += 1;
      socket.write(`${megabyte.length.toString(16)}\r\n`);
      socket.write(megabyte);
      if (!socket.write('\r\n')) return void socket.once('drain', more);
    }
    if (!socket.destroyed) socket.write('0\r\n\r\n');
  };
  more();
  answered(socket, (text) => {
    if (text.includes(' 413 ')) counts.largeRefused += 1;
    setTimeout(sendLarge, pauseMs);
  });
}

function dial(): Socket {
  const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress: from });
  socket.on('error', () => undefined);
  return socket;
}

function answered(socket: Socket, then: (text: string) => void): void {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (text.includes('}}')) socket.destroy();
  });
  socket.on('close', () => then(text));
}

for (let index = 0; index < Number(sockets); index += 1) setTimeout(loris, index % 500);
sendBomb();
sendLarge();
process.on('message', () => process.send?.(counts));
