import type { Metrics } from '@tributary/platform/metrics';
import type { SubgraphClient } from './subgraph-client.ts';
import type { SubscriptionStats } from './subscriptions/engine.ts';

/** What the gateway counts; every member does nothing without a registry. */
export interface GatewayMetrics {
  /** One answer at `/graphql` over HTTP. */
  httpAnswered(status: number, seconds: number): void;
  slowSocket(): void;
  /** The same client, timed. */
  timed(client: SubgraphClient): SubgraphClient;
  /** Read whenever metrics are collected. */
  observe(stats: () => SubscriptionStats & { readonly sockets: number }): void;
}

const secondsBuckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30];

export function createGatewayMetrics(metrics: Metrics | undefined): GatewayMetrics {
  if (!metrics) {
    return { httpAnswered: () => {}, slowSocket: () => {}, timed: (client) => client, observe: () => {} };
  }
  const http = metrics.histogram({
    name: 'tributary_gateway_http_seconds',
    help: 'Time to answer a GraphQL request over HTTP, by status class',
    labelNames: ['status'],
    buckets: secondsBuckets,
  });
  const subgraph = metrics.histogram({
    name: 'tributary_gateway_subgraph_seconds',
    help: 'Time until a subgraph answered one operation of the gateway',
    labelNames: ['subgraph', 'outcome'],
    buckets: secondsBuckets,
  });
  const slow = metrics.counter({
    name: 'tributary_gateway_slow_sockets_total',
    help: 'WebSockets cut because their reader was too slow',
  });
  return {
    httpAnswered: (status, seconds) => http.observe({ status: `${Math.floor(status / 100)}xx` }, seconds),
    slowSocket: () => slow.inc(),
    timed: (client) => ({
      ...client,
      async execute(request) {
        const end = subgraph.startTimer({ subgraph: client.name });
        const result = await client.execute(request);
        end({ outcome: result.errors ? 'errors' : 'ok' });
        return result;
      },
    }),
    observe(stats) {
      const gauges = {
        sockets: 'Open WebSockets',
        subscribers: 'Running subscriptions',
        streams: 'Distinct running subscriptions, each shared by equal subscribers',
      } as const;
      for (const name of ['sockets', 'subscribers', 'streams'] as const) {
        metrics.gauge({
          name: `tributary_gateway_${name}`,
          help: gauges[name],
          collect() {
            this.set(stats()[name]);
          },
        });
      }
    },
  };
}
