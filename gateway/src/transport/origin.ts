import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request comes from a page of this gateway itself. A missing Origin counts as yes only where the browser says so, or
 * where no browser is at work (`Sec-Fetch-Site` absent too); WebSocket handshakes and POSTs always carry Origin in browsers.
 *
 * @param publicUrl the address people see, when a proxy in front changes Host.
 */
export function createSameOrigin(publicUrl: string | null): (headers: IncomingHttpHeaders) => boolean {
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin;
  return (headers) => {
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
    const { origin, host } = headers;
    if (origin === undefined) return true;
    return (
      origin === publicOrigin || (host !== undefined && (origin === `http://${host}` || origin === `https://${host}`))
    );
  };
}
