import { Agent, request } from 'node:http';
import type { NativeEvent } from './world.ts';

/** Sends simulated traffic to the collector's public endpoints, as an SDK would: retrying what may be retried. */
export interface Poster {
  /** Resolves once the collector has the events durably. Throws after the attempts are used up. */
  postEvents(
    key: string,
    events: readonly NativeEvent[],
  ): Promise<{ readonly accepted: number; readonly rejected: number }>;
  /** Follows a tracking link as far as the redirect; answers its click id. */
  click(slug: string, query: Readonly<Record<string, string>>): Promise<string | null>;
  dispose(): void;
}

const attempts = 60;
const timeoutMs = 15_000;

export function createPoster(collectorUrl: string): Poster {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const base = new URL(collectorUrl);

  const send = (method: string, path: string, headers: Record<string, string>, body: string | null) =>
    new Promise<{ status: number; location: string | undefined; text: string }>((resolve, reject) => {
      const outgoing = request(
        { agent, host: base.hostname, port: base.port, method, path, headers, timeout: timeoutMs },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              location: response.headers.location,
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')));
      outgoing.on('error', reject);
      outgoing.end(body ?? undefined);
    });

  const retrying = async <T>(work: () => Promise<T | null>): Promise<T> => {
    let last: unknown = null;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      try {
        const answer = await work();
        if (answer !== null) return answer;
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(2_000, 50 * 2 ** attempt)));
    }
    throw new Error('The collector did not take the simulated events.', { cause: last });
  };

  return {
    postEvents(key, events) {
      const body = JSON.stringify({ batch: events, sent_at: Date.now() });
      const headers = {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      };
      return retrying(async () => {
        const { status, text } = await send('POST', '/v1/events', headers, body);
        if (status === 429 || status >= 500) return null;
        if (status !== 200) throw new Error(`The collector answered ${status}: ${text.slice(0, 300)}`);
        const answer = JSON.parse(text) as { accepted: number; rejected: readonly unknown[] };
        return { accepted: answer.accepted, rejected: answer.rejected.length };
      });
    },
    async click(slug, query) {
      const path = `/c/${encodeURIComponent(slug)}?${new URLSearchParams(query)}`;
      const { status, location } = await send(
        'GET',
        path,
        { 'user-agent': 'Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile' },
        null,
      );
      if (status !== 302 || location === undefined) return null;
      return /click_id(?:=|%3D)([A-Za-z0-9_-]+)/.exec(location)?.[1] ?? null;
    },
    dispose: () => agent.destroy(),
  };
}
