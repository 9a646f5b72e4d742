/**
 * Where a process of this host reaches a server that listens at `host`: a wildcard address is reached by loopback, any other
 * only at itself.
 */
export function ownUrl(host: string, port: number): string {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}
