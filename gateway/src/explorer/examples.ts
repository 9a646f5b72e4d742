/** An operation that the explorer offers. `$appId` is filled in with the first app of the key. */
export interface ExampleOperation {
  readonly title: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const lastWeek = { lastDays: 7 };

/** A test holds each against the composed graph. */
export const exampleOperations: readonly ExampleOperation[] = [
  {
    title: 'Who am I, and which apps do I see?',
    query: `query Me {
  viewer { tenantName keyId scopes }
  apps { id name }
}`,
    variables: {},
  },
  {
    title: 'Campaigns with spend, installs and ROAS',
    query: `query Campaigns($appId: ID!, $range: TimeRange!) {
  campaigns(appId: $appId, first: 20) {
    edges {
      node {
        id
        name
        network
        spend(range: $range) { amount currency }
        installs(range: $range)
        roas(range: $range)
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
    variables: { appId: '', range: lastWeek },
  },
  {
    title: 'How an app’s installs were attributed',
    query: `query Attribution($appId: ID!, $range: TimeRange!) {
  app(id: $appId) {
    name
    attribution(range: $range) { attributedInstalls organicInstalls reinstalls }
  }
}`,
    variables: { appId: '', range: lastWeek },
  },
  {
    title: 'The latest events',
    query: `query Events($appId: ID!, $range: TimeRange!) {
  events(appId: $appId, range: $range, first: 20) {
    edges { node { id name occurredAt } }
  }
}`,
    variables: { appId: '', range: { lastDays: 1 } },
  },
  {
    title: 'Live metrics (a subscription)',
    query: `subscription Live($appId: ID!) {
  liveMetrics(appId: $appId, window: LAST_HOUR) {
    at
    cursor
    totals { events installs }
  }
}`,
    variables: { appId: '' },
  },
];
