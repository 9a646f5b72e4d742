export { createGateway, type Gateway, type GatewayDeps, type GatewayTuning } from './gateway.ts';
export { createLocalSubgraphClient, type LocalSubgraph } from './local-subgraph-client.ts';
export { createRemoteSubgraphClient, type RemoteSubgraphOptions } from './remote-subgraph-client.ts';
export { createStaticServer, type StaticServerDeps } from './static-site/static-server.ts';
export type { SubgraphClient, SubgraphRequest } from './subgraph-client.ts';
export type { SubscriptionStats } from './subscriptions/engine.ts';
export { composePartnerSupergraph, composeSupergraph, type SubgraphSdl } from './supergraph.ts';
export type { OpsHandler } from './transport/http-server.ts';
