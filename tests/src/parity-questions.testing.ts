/** One question of the API, asked of both forms of the product. */
export interface Question {
  readonly title: string;
  readonly query: string;
  /** Beside `appId`, `otherAppId`, `campaignId`, `goalId`, `range`, `day` and `installId`, which every question may use. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

const head = `query ($appId: ID!, $range: TimeRange!)`;
const series = (metric: string, grain: string, range = '$range') =>
  `query ($appId: ID!, $range: TimeRange!, $day: TimeRange!) { used: app(id: $appId) { a: metrics(range: $range) { events } b: metrics(range: $day) { events } } app(id: $appId) { timeseries(range: ${range}, metric: ${metric}, grain: ${grain}) { at value } } }`;
const ofCampaigns = (fields: string) =>
  `${fields.includes('$range') ? head : 'query ($appId: ID!)'} { campaigns(appId: $appId, first: 50) { edges { node { name ${fields} } } } }`;
const ofInstall = (fields: string) => `query ($installId: ID!) { install(id: $installId) { id ${fields} } }`;

/**
 * About fifty questions over all four subgraphs. None asks for a time of processing, an opaque cursor or a forecast, which may
 * differ between two runs of one form; every figure, name, order, null and error may not.
 */
export const questions: readonly Question[] = [
  { title: 'apps', query: '{ apps { id name platform currency timezone enabled } }' },
  { title: 'goals', query: `query ($appId: ID!) { app(id: $appId) { goals { name eventKind eventName } } }` },
  {
    title: 'links',
    query: `query ($appId: ID!) { app(id: $appId) { trackingLinks { slug targetUrl expiresAt campaign { name } } } }`,
  },
  { title: 'viewer', query: '{ viewer { tenantName scopes } }' },
  {
    title: 'one campaign',
    query: `query ($campaignId: ID!) { campaign(id: $campaignId) { id name status network app { id name } partner { name } trackingLinks { slug url targetUrl } } }`,
  },
  {
    title: 'one campaign over three subgraphs',
    query: `query ($campaignId: ID!, $day: TimeRange!) { campaign(id: $campaignId) { name spend(range: $day) { amount currency } installs(range: $day) revenue(range: $day) { amount } roas(range: $day) fraud(range: $day) { scored suspect fraud rate } } }`,
  },
  {
    title: 'credit for a goal',
    query: `query ($campaignId: ID!, $goalId: ID!, $range: TimeRange!) { campaign(id: $campaignId) { credit(range: $range, models: [FIRST_TOUCH, LAST_TOUCH, LINEAR], goal: $goalId) { model conversions value { amount currency } } } }`,
  },
  {
    title: 'attribution of one day',
    query: `query ($appId: ID!, $day: TimeRange!) { app(id: $appId) { attribution(range: $day) { attributedInstalls organicInstalls reinstalls unattributedConversions } } }`,
  },
  {
    title: 'two apps at once',
    query: `query ($appId: ID!, $otherAppId: ID!, $range: TimeRange!) { one: app(id: $appId) { metrics(range: $range) { events } } two: app(id: $otherAppId) { metrics(range: $range) { events } } }`,
  },
  {
    title: 'metrics of the range',
    query: `${head} { app(id: $appId) { metrics(range: $range) { events sessions installs purchases people revenue { amount currency } revenueByCurrency { amount currency } } } }`,
  },
  {
    title: 'metrics of one day',
    query: `query ($appId: ID!, $day: TimeRange!) { app(id: $appId) { metrics(range: $day) { events sessions installs purchases people revenue { amount currency } revenueByCurrency { amount currency } } } }`,
  },
  {
    title: 'metrics of an app without events',
    query: `query ($otherAppId: ID!, $range: TimeRange!) { app(id: $otherAppId) { metrics(range: $range) { events sessions installs purchases people revenue { amount currency } revenueByCurrency { amount currency } } } }`,
  },
  ...['EVENTS', 'SESSIONS', 'INSTALLS', 'PURCHASES', 'REVENUE', 'PEOPLE'].map((metric) => ({
    title: `${metric} by day`,
    query: series(metric, 'DAY'),
  })),
  ...['EVENTS', 'INSTALLS', 'REVENUE', 'PEOPLE'].map((metric) => ({
    title: `${metric} by hour`,
    query: series(metric, 'HOUR', '$day'),
  })),
  { title: 'REVENUE by quarter of an hour', query: series('REVENUE', 'FIFTEEN_MINUTES', '$day') },
  { title: 'EVENTS by minute', query: series('EVENTS', 'MINUTE', '$day') },
  { title: 'campaigns', query: ofCampaigns('network status partner { name } app { name }') },
  { title: 'links of campaigns', query: ofCampaigns('trackingLinks { slug targetUrl }') },
  { title: 'spend of campaigns', query: ofCampaigns('spend(range: $range) { amount currency }') },
  { title: 'installs of campaigns', query: ofCampaigns('installs(range: $range)') },
  { title: 'revenue of campaigns', query: ofCampaigns('revenue(range: $range) { amount currency }') },
  { title: 'ROAS of campaigns', query: ofCampaigns('roas(range: $range)') },
  ...['FIRST_TOUCH', 'LAST_TOUCH', 'LINEAR'].map((model) => ({
    title: `${model} credit of campaigns`,
    query: ofCampaigns(`credit(range: $range, models: [${model}]) { model conversions value { amount currency } }`),
  })),
  {
    title: 'credit with a short lookback',
    query: ofCampaigns(
      'credit(range: $range, models: [LINEAR, LAST_TOUCH], lookbackDays: 1) { model conversions value { amount } }',
    ),
  },
  { title: 'fraud of campaigns', query: ofCampaigns('fraud(range: $range) { scored suspect fraud rate }') },
  {
    title: 'installs that LTV was asked for',
    query: ofCampaigns('predictedLtv(range: $range, horizonDays: 30) { installs scored horizonDays }'),
  },
  {
    title: 'attribution of the app',
    query: `${head} { app(id: $appId) { attribution(range: $range) { attributedInstalls organicInstalls reinstalls unattributedConversions } } }`,
  },
  {
    title: 'installs, newest first',
    query: `${head} { installs(appId: $appId, range: $range, first: 40) { edges { node { id installedAt country platform campaign { name } person { id } } } pageInfo { hasNextPage hasPreviousPage } } }`,
  },
  {
    title: 'installs of a day with their decisions',
    query: `query ($appId: ID!, $day: TimeRange!) { installs(appId: $appId, range: $day, first: 100) { edges { node { id attribution { verdict rule ctitSeconds campaign { name } } } } } }`,
  },
  {
    title: 'the decision of an install',
    query: ofInstall(
      'attribution { verdict rule network touchpointId ctitSeconds explanation campaign { name } candidates { touchpointId kind occurredAt matchKey eligible reason ctitSeconds windowHours explanation campaign { name } } }',
    ),
  },
  {
    title: 'an install across subgraphs',
    query: ofInstall('app { name currency } campaign { name network } person { id eventCount } country'),
  },
  { title: 'the fraud verdict of an install', query: ofInstall('fraud { score verdict reasons model modelVersion }') },
  {
    title: 'the person of an install',
    query: ofInstall('person { id firstSeenAt lastSeenAt eventCount revenue { amount currency } }'),
  },
  {
    title: 'events, newest first',
    query: `${head} { events(appId: $appId, range: $range, first: 100) { edges { node { id name kind environment occurredAt person { id } campaign { name } country platform revenue { amount currency } properties } } pageInfo { hasNextPage } } }`,
  },
  {
    title: 'purchases',
    query: `${head} { events(appId: $appId, range: $range, name: "purchase", first: 100) { edges { node { id occurredAt revenue { amount currency } } } } }`,
  },
  {
    title: 'events of a name that nothing has',
    query: `${head} { events(appId: $appId, range: $range, name: "never", first: 10) { edges { node { id } } pageInfo { hasNextPage hasPreviousPage } } }`,
  },
  {
    title: 'events of the Segment format',
    query: `${head} { events(appId: $appId, range: $range, name: "Order Completed", first: 50) { edges { node { id kind revenue { amount currency } properties } } } }`,
  },
  {
    title: 'aliases, fragments and conditions',
    query: `${head} { one: app(id: $appId) { ...parts } two: app(id: $appId) { ...parts more: metrics(range: $range) @include(if: false) { events } } } fragment parts on App { __typename name metrics(range: $range) { __typename installs @skip(if: false) } }`,
  },
  {
    title: 'one query over all four',
    query: `${head} { app(id: $appId) { name metrics(range: $range) { installs } attribution(range: $range) { attributedInstalls } predictedLtv(range: $range) { installs } } campaigns(appId: $appId, first: 50) { edges { node { name spend(range: $range) { amount } installs(range: $range) revenue(range: $range) { amount } fraud(range: $range) { scored } } } } }`,
  },
  {
    title: 'a report by country',
    query: `${head} { report(appIds: [$appId], metrics: [EVENTS, INSTALLS, ATTRIBUTED_INSTALLS, SESSIONS, PURCHASES, REVENUE, PEOPLE, ARPU], dimensions: [COUNTRY], range: $range) { currency edges { node { country events installs attributedInstalls sessions purchases revenue { amount currency } people arpu { amount } } } pageInfo { hasNextPage } } }`,
  },
  {
    title: 'a report by day and name',
    query: `${head} { report(appIds: [$appId], metrics: [EVENTS, PEOPLE, REVENUE], dimensions: [EVENT_NAME], grain: DAY, range: $range, first: 200) { edges { node { time eventName events people revenue { amount } } } } }`,
  },
  {
    title: 'a report across apps',
    query: `query ($appId: ID!, $otherAppId: ID!, $range: TimeRange!) { report(appIds: [$appId, $otherAppId], metrics: [EVENTS, CONVERSIONS, CONVERSIONS_LINEAR, COST], range: $range) { edges { node { events conversions conversionsLinear cost { amount currency } } } } }`,
  },
  {
    title: 'a report on a metric that is not there',
    query: `${head} { report(appIds: [$appId], metrics: [HAPPINESS], range: $range) { currency } }`,
  },
  { title: 'an unknown app', query: '{ app(id: "app_0000000000000000") { id name } }' },
  { title: 'an unknown campaign', query: '{ campaign(id: "cmp_0000000000000000") { id } }' },
  { title: 'an unknown install', query: '{ install(id: "nothing") { id } }' },
  { title: 'an unknown field', query: '{ apps { id nothing } }' },
  { title: 'a missing argument', query: '{ campaigns { edges { node { id } } } }' },
  { title: 'a broken document', query: '{ apps { id ' },
  {
    title: 'a range the wrong way round',
    query: `query ($appId: ID!) { app(id: $appId) { metrics(range: { from: "2026-02-02T00:00:00.000Z", to: "2026-02-01T00:00:00.000Z" }) { events } } }`,
  },
  {
    title: 'a range that is too long',
    query: `query ($appId: ID!) { app(id: $appId) { metrics(range: { lastDays: 5000 }) { events } } }`,
  },
  {
    title: 'a page that is too large',
    query: `${head} { events(appId: $appId, range: $range, first: 100000) { edges { node { id } } } }`,
  },
];
