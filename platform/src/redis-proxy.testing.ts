import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A Redis server that can go away and come back, for tests of what happens meanwhile. */
export interface RedisProxy {
  readonly url: string;
  /** Refuses connections and ends those that are open. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
}

/** Passes bytes on to the real server at `target`, on a port of its own. */
export async function openRedisProxy(target: string): Promise<RedisProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port || 6379), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
    client.pipe(upstream).pipe(client);
  });
  const listen = (at: number) => new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  return {
    url: `redis://127.0.0.1:${own}`,
    goAway: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      return closed;
    },
    comeBack: () => listen(own),
  };
}
