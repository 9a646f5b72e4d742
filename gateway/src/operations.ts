import { CodedError } from '@tributary/schema';
import { type FormattedExecutionResult, OperationTypeNode } from 'graphql';
import type { OperationContext } from './data-source.ts';
import type { Graph } from './graphs.ts';
import { type MaybePromise, thenNow } from './maybe-promise.ts';
import { type CallerSigner, type Principal, rightsOf } from './pipeline/auth.ts';
import { formatErrors } from './pipeline/format-error.ts';
import type { Freshness } from './pipeline/freshness.ts';
import { checkVariables } from './pipeline/limits.ts';
import { type PrepareDeps, type PreparedOperation, prepareOperation } from './pipeline/prepare.ts';
import type { CostReport, RateLimiter } from './pipeline/rate-limit.ts';
import type { ResponseCache, StoredAnswer } from './pipeline/response-cache.ts';
import { responseKey } from './pipeline/response-key.ts';
import type { DocumentParams, TrustedDocuments } from './pipeline/trusted-documents.ts';
import { coerceVariables } from './pipeline/validate.ts';

/** What a client asked for, as any transport reads it. */
export interface OperationParams extends DocumentParams {
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface RunOptions {
  readonly requestId: string;
  /** Aborted when the caller has gone. */
  readonly signal: () => AbortSignal;
  /** A link must not change anything: mutations are refused. */
  readonly readOnly?: boolean;
  /** Whether the transport can carry a subscription. */
  readonly streaming: boolean;
}

export type OperationAnswer =
  | { readonly kind: 'stream'; readonly stream: AsyncIterableIterator<FormattedExecutionResult> }
  | { readonly kind: 'result'; readonly result: FormattedExecutionResult; readonly cost: CostReport }
  /** Of the response cache. */
  | { readonly kind: 'stored'; readonly answer: StoredAnswer; readonly cost: CostReport };

/** The whole answer of an operation that was no subscription, as one object. */
export function resultOf(answered: Exclude<OperationAnswer, { kind: 'stream' }>): FormattedExecutionResult {
  const { cost } = answered;
  if (answered.kind === 'result') return { ...answered.result, extensions: { cost } };
  return { data: JSON.parse(answered.answer.data), extensions: { cost } };
}

/** The pipeline that every transport calls: document → limits → cost → bucket → cache or plan → result → refund. */
export interface Operations {
  /**
   * Throws, or rejects with, coded GraphQL errors and CodedErrors for what is refused before anything runs. Answers at once where
   * all that it takes is in this process, as with a GET seen before whose answer is kept.
   */
  run(params: OperationParams, principal: Principal, options: RunOptions): MaybePromise<OperationAnswer>;
  /** Prepares and plans a text for a graph before it is asked for. Throws what refuses the text. */
  warm(graph: Graph, text: string): void;
}

export interface OperationsDeps extends PrepareDeps {
  readonly graphOf: (principal: Principal) => Graph | null;
  readonly documents: TrustedDocuments;
  readonly limiter: RateLimiter;
  readonly responses: ResponseCache;
  readonly freshness: Freshness;
  /** Ids of the apps of a tenant. */
  readonly appIdsOf: (tenantId: string) => ReadonlySet<string>;
  readonly signer: CallerSigner;
  /** After it the operation is given up with QUERY_TIMEOUT, down to the subgraphs. */
  readonly timeoutMs: number;
  /** Prepared texts that are longer are not kept. */
  readonly longestKeptText: number;
}

/** An answer from the response cache costs this, whatever it cost to make. */
const hitCost = 1;

export function createOperations(deps: OperationsDeps): Operations {
  const openByKey = new Map<string, number>();

  function prepared(graph: Graph, text: string, operationName: string | null | undefined): PreparedOperation {
    const key = operationName ? `${operationName}\n${text}` : text;
    const known = graph.prepared.get(key);
    if (known) return known;
    const fresh = prepareOperation(deps, graph.supergraph, text, operationName);
    // One that is refused is not kept: many of them would drive out what is asked.
    if (!fresh.error && text.length <= deps.longestKeptText) graph.prepared.set(key, fresh);
    return fresh;
  }

  /** Counts the open subscriptions of a key. Returns what to call when this one has ended. */
  function openOne({ keyId, plan }: Principal): () => void {
    const open = openByKey.get(keyId) ?? 0;
    if (open >= plan.subscriptions) {
      throw new CodedError('RATE_LIMITED', {
        message: `This key has its ${plan.subscriptions} subscriptions open.`,
        retryAfterSeconds: 1,
        details: { subscriptions: plan.subscriptions },
      });
    }
    openByKey.set(keyId, open + 1);
    return () => {
      const left = (openByKey.get(keyId) ?? 1) - 1;
      if (left > 0) openByKey.set(keyId, left);
      else openByKey.delete(keyId);
    };
  }

  const resolvedByParams = new WeakMap<OperationParams, Resolved>();

  async function resolve(graph: Graph, params: OperationParams, principal: Principal, options: RunOptions) {
    checkVariables(params.variables);
    const text = await deps.documents.textOf(params, principal);
    const operation = prepared(graph, text, params.operationName);
    refuseUnfit(operation, options);
    const variables = coerceVariables(graph.supergraph.schema, operation.operation, params.variables);
    const resolved: Resolved = {
      graph,
      tenantId: principal.tenantId,
      trustedOnly: principal.trustedOnly,
      operation,
      variables,
      given: params.variables,
      requested: operation.cost.requested(variables),
      apps: null,
      lastKey: null,
    };
    // A GET's parameters are one object for one URL; any other's are seen once.
    if (options.readOnly) resolvedByParams.set(params, resolved);
    return resolved;
  }

  async function subscribe({ resolved, principal }: Asked): Promise<OperationAnswer> {
    const { graph, operation, variables, requested } = resolved;
    const onEnd = openOne(principal);
    try {
      await deps.limiter.charge(principal, requested);
      const { document, operation: node } = operation;
      return {
        kind: 'stream',
        stream: graph.subscriptions.subscribe({ document, operation: node, variables, principal, onEnd }),
      };
    } catch (error) {
      onEnd();
      throw error;
    }
  }

  function runResolved(asked: Asked): MaybePromise<OperationAnswer> {
    const { operation } = asked.resolved;
    if (operation.kind === OperationTypeNode.SUBSCRIPTION) return subscribe(asked);
    if (operation.maxAgeSeconds > 0) return runCached(deps, asked);
    return runCharged(deps, asked);
  }

  return {
    warm(graph, text) {
      const operation = prepared(graph, text, null);
      if (operation.error) throw operation.error;
      if (operation.kind !== OperationTypeNode.SUBSCRIPTION) graph.queries.warm(operation);
    },
    run(params, principal, options) {
      const graph = deps.graphOf(principal);
      if (!graph) throw new CodedError('NOT_READY');
      const known = resolvedByParams.get(params);
      if (known && isStill(known, graph, principal)) return runResolved({ resolved: known, principal, options });
      return resolve(graph, params, principal, options).then((resolved) =>
        runResolved({ resolved, principal, options }),
      );
    },
  };
}

/** What parameters mean to callers of one tenant on the same terms, once they are found fit. */
interface Resolved {
  readonly graph: Graph;
  readonly tenantId: string;
  readonly trustedOnly: boolean;
  readonly operation: PreparedOperation;
  /** Coerced: for cost, keys and subscriptions. The executor coerces `given` itself. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly given: Readonly<Record<string, unknown>> | null | undefined;
  /** Points. */
  readonly requested: number;
  /** What the root fields name of the tenant's apps, as long as it has the same. */
  apps: { readonly known: ReadonlySet<string>; readonly named: readonly string[] | null } | null;
  /** Of the response cache, as long as rights, apps and freshness are the same. */
  lastKey: { readonly rights: string; readonly freshness: string; readonly key: string } | null;
}

function isStill(resolved: Resolved, graph: Graph, principal: Principal): boolean {
  return (
    resolved.graph === graph &&
    resolved.tenantId === principal.tenantId &&
    resolved.trustedOnly === principal.trustedOnly
  );
}

interface Asked {
  readonly resolved: Resolved;
  readonly principal: Principal;
  readonly options: RunOptions;
}

function refuseUnfit({ kind, error }: PreparedOperation, { streaming, readOnly }: RunOptions): void {
  if (kind === OperationTypeNode.SUBSCRIPTION && !streaming) throw new CodedError('SUBSCRIPTION_OVER_HTTP');
  if (kind === OperationTypeNode.MUTATION && readOnly) throw new CodedError('METHOD_NOT_ALLOWED');
  if (error) throw error;
}

async function runCharged(deps: OperationsDeps, asked: Asked): Promise<OperationAnswer> {
  const { resolved, principal, options } = asked;
  const charge = await deps.limiter.charge(principal, resolved.requested);
  const result = await execute(deps, asked, options.signal()).finally(() => {
    // Given up half-way it may have changed something all the same.
    if (resolved.operation.kind === OperationTypeNode.MUTATION) deps.freshness.changed(principal.tenantId);
  });
  const cost = charge.settle(resolved.operation.cost.actual(result.data, resolved.variables));
  return { kind: 'result', result: formatted(result, options.requestId), cost };
}

function runCached(deps: OperationsDeps, asked: Asked): MaybePromise<OperationAnswer> {
  const key = keyOf(deps, asked);
  return thenNow(deps.responses.find(key), (kept) =>
    kept ? answerKept(deps, asked, kept) : makeKept(deps, asked, key),
  );
}

function keyOf(deps: OperationsDeps, { resolved, principal }: Asked): string {
  const rights = rightsOf(principal);
  const freshness = deps.freshness.tokenOf(principal, appsOf(deps, resolved));
  const { lastKey } = resolved;
  if (lastKey?.rights === rights && lastKey.freshness === freshness) return lastKey.key;
  const key = responseKey({
    tenantId: principal.tenantId,
    supergraphId: resolved.graph.supergraph.id,
    operationId: resolved.operation.id,
    variables: resolved.variables,
    rights,
    freshness,
  });
  resolved.lastKey = { rights, freshness, key };
  return key;
}

function answerKept(
  deps: OperationsDeps,
  { resolved, principal }: Asked,
  answer: StoredAnswer,
): MaybePromise<OperationAnswer> {
  return thenNow(deps.limiter.charge(principal, hitCost), (charge) => {
    const { throttle } = charge.settle(hitCost);
    return { kind: 'stored', answer, cost: { requested: resolved.requested, actual: hitCost, throttle } };
  });
}

async function makeKept(deps: OperationsDeps, asked: Asked, key: string): Promise<OperationAnswer> {
  const { resolved, principal, options } = asked;
  const { operation, variables } = resolved;
  const charge = await deps.limiter.charge(principal, resolved.requested);
  const run = await deps.responses.make(key, operation.maxAgeSeconds, options.signal(), (signal) =>
    execute(deps, asked, signal),
  );
  if (run.kind === 'stored') {
    const { actual } = operation.cost;
    return { kind: 'stored', answer: run.answer, cost: charge.settle(actual(JSON.parse(run.answer.data), variables)) };
  }
  const cost = charge.settle(operation.cost.actual(run.result.data, variables));
  return { kind: 'result', result: formatted(run.result, options.requestId), cost };
}

function appsOf(deps: OperationsDeps, resolved: Resolved): readonly string[] | null {
  const known = deps.appIdsOf(resolved.tenantId);
  if (resolved.apps?.known !== known) resolved.apps = { known, named: namedApps(resolved, known) };
  return resolved.apps.named;
}

/** The apps that every root field names, so that other apps' news leaves the answer alone; null where one names none. */
function namedApps({ operation, variables }: Resolved, known: ReadonlySet<string>): readonly string[] | null {
  const named = new Set<string>();
  for (const { args } of operation.roots) {
    const before = named.size;
    let names = 0;
    for (const { value } of args) {
      const ids =
        value.kind === 'Variable' ? variables[value.name.value] : value.kind === 'StringValue' ? value.value : null;
      for (const id of Array.isArray(ids) ? ids : [ids]) {
        if (typeof id !== 'string' || !known.has(id)) continue;
        named.add(id);
        names += 1;
      }
    }
    if (names === 0 && named.size === before) return null;
  }
  return named.size > 0 ? [...named].sort() : null;
}

async function execute(
  deps: OperationsDeps,
  { resolved, principal, options }: Asked,
  signal: AbortSignal,
): Promise<FormattedExecutionResult> {
  const { graph, operation, variables, given } = resolved;
  const { requestId } = options;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new CodedError('QUERY_TIMEOUT')), deps.timeoutMs);
  const leave = () => deadline.abort(signal.reason);
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  const context: OperationContext = {
    callerToken: deps.signer.sign(principal, requestId),
    requestId,
    signal: deadline.signal,
  };
  try {
    return await graph.queries.run(operation, { coerced: variables, given }, context);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  }
}

function formatted(result: FormattedExecutionResult, requestId: string): FormattedExecutionResult {
  return result.errors ? { ...result, errors: formatErrors(result.errors, requestId) } : result;
}
