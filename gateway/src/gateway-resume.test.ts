import type { FormattedExecutionResult } from 'graphql';
import { createRemoteSubgraphClient } from './remote-subgraph-client.ts';
import { collect, startTestGateway, type TestGateway, until } from './testing/harness.testing.ts';
import { createWorld, serveSubgraph } from './testing/subgraphs.testing.ts';

const query = 'subscription ($after: Int!) { numbers(after: $after) { cursor campaign { name } } }';
type Numbered = { readonly numbers: { readonly cursor: number; readonly campaign: { readonly name: string } } };
const cursorsOf = (results: readonly FormattedExecutionResult[]) =>
  results.filter(({ data }) => data).map(({ data }) => (data as unknown as Numbered).numbers.cursor);

describe('a subscriber that comes back with its cursor', () => {
  it('misses nothing and repeats nothing, also across restarts of gateway and subgraphs', async () => {
    const { world, subgraphs } = createWorld();
    const seen: number[] = [];
    let appended = 0;
    const append = (count: number) => {
      for (let at = 0; at < count; at += 1) world.append();
      appended += count;
    };
    const appending = setInterval(() => append(1), 2);
    try {
      for (let round = 0; round < 3; round += 1) {
        // A new gateway and new servers of the subgraphs each round; what they serve is what lasts.
        const served = await Promise.all(subgraphs.map((subgraph) => serveSubgraph(subgraph)));
        const test: TestGateway = await startTestGateway({
          subgraphs: served.map(({ name, url }) => createRemoteSubgraphClient({ name, url })),
        });
        for (let connection = 0; connection < 4; connection += 1) {
          const socket = test.socket();
          const live = collect(socket, query, { after: seen.at(-1) ?? 0 });
          await until(() => cursorsOf(live.results).length >= 15);
          if (connection % 2 === 0) socket.terminate();
          else live.stop();
          seen.push(...cursorsOf(live.results));
          append(5);
        }
        await test.dispose();
        await Promise.all(served.map((subgraph) => subgraph.dispose()));
      }
    } finally {
      clearInterval(appending);
    }
    expect(seen.length).toBeGreaterThanOrEqual(3 * 4 * 15);
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, at) => at + 1));
    expect(appended).toBeGreaterThan(seen.length);
  });
});
