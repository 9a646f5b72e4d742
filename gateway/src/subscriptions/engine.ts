import type { Logger } from '@tributary/platform/logger';
import { createLru, type Lru } from '@tributary/platform/lru';
import { CodedError, newId } from '@tributary/schema';
import type { DocumentNode, FormattedExecutionResult, OperationDefinitionNode } from 'graphql';
import type { OperationContext } from '../data-source.ts';
import { canonicalJson } from '../json.ts';
import { type CallerSigner, type Principal, rightsOf } from '../pipeline/auth.ts';
import { formatThrown } from '../pipeline/format-error.ts';
import type { SubgraphClient } from '../subgraph-client.ts';
import type { Supergraph } from '../supergraph.ts';
import { normalise, planSubscription, rootFieldOf, type SubscriptionPlan } from './plan.ts';
import { createEventResolver } from './resolve-event.ts';
import { createSharedStream, type SharedStream, type StreamKind } from './shared-stream.ts';

/** A subscription that passed authentication, limits and validation. */
interface SubscriptionOperation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** Coerced: defaults filled in, nothing undeclared. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly principal: Principal;
  /** Once, when this subscriber has ended. */
  readonly onEnd?: () => void;
}

export interface SubscriptionStats {
  /** Upstream subscriptions opened and closed so far; equal when nobody subscribes. */
  readonly opened: number;
  readonly closed: number;
  readonly streams: number;
  readonly subscribers: number;
}

export interface SubscriptionEngine {
  /** The result stream; an error that ends it comes as its last payload. Throws CodedError NOT_READY before the first supergraph. */
  subscribe(operation: SubscriptionOperation): AsyncIterableIterator<FormattedExecutionResult>;
  /** From now on by this graph; what runs by another ends with SCHEMA_CHANGED. */
  useSupergraph(supergraph: Supergraph): void;
  stats(): SubscriptionStats;
  dispose(): void;
}

export interface SubscriptionEngineDeps {
  readonly clients: readonly SubgraphClient[];
  readonly signer: CallerSigner;
  readonly logger: Logger;
  /** Fields whose payloads hold absolute totals (see {@link StreamKind}); every other field is a feed. */
  readonly totalsFields: readonly string[];
  readonly reopenDelaysMs?: readonly number[];
  readonly snapshotTimeoutMs?: number;
}

const plansKept = 500;
/** Characters of their texts. */
const plansLength = 262_144;
const defaultReopenDelaysMs = [250, 500, 1_000, 2_000, 4_000, 8_000];

/**
 * Runs federated subscriptions. Equal ones (same graph, operation, variables, tenant, scopes and apps) share one upstream and one
 * result per event; nothing personal to a key may therefore enter the operation's context.
 * Over 50 lines: one closure, whose parts share this state.
 */
export function createSubscriptionEngine(deps: SubscriptionEngineDeps): SubscriptionEngine {
  const clients = new Map(deps.clients.map((client) => [client.name, client]));
  /** By what makes subscriptions equal; a feed that has begun gives its place here to the next one. */
  const streams = new Map<string, SharedStream>();
  const all = new Set<SharedStream>();
  const plans: Lru<string, SubscriptionPlan> = createLru(plansKept, { of: (text) => text.length, most: plansLength });
  const counts = { opened: 0, closed: 0 };
  let supergraph: Supergraph | null = null;

  function openStream(graph: Supergraph, text: string, given: SubscriptionOperation, onEnd: () => void): SharedStream {
    const { document, operation, variables, principal } = given;
    const operationName = operation.name?.value;
    const plan = plans.get(text) ?? planSubscription(graph, document, operationName);
    plans.set(text, plan);
    const client = clients.get(plan.primary.serviceName);
    if (!client) throw new CodedError('SUBGRAPH_UNAVAILABLE');
    const streamId = newId('request');
    const resolveEvent = createEventResolver({
      supergraph: graph,
      plan,
      document,
      operation,
      variables,
      clients,
      logger: deps.logger,
    });
    const context = (): OperationContext => ({
      // Signed anew for every event: a stream outlives any signature.
      callerToken: deps.signer.signShared(principal, streamId),
      requestId: streamId,
    });
    return createSharedStream({
      kind: kindOf(deps, document, operation),
      open: () => {
        counts.opened += 1;
        const upstream = client.subscribe({
          query: plan.primary.operation,
          operationName: plan.primary.operationName,
          variables: pick(variables, plan.primary.variableUsages ?? []),
          callerToken: context().callerToken,
          requestId: streamId,
        });
        return countClose(upstream, () => {
          counts.closed += 1;
        });
      },
      resolve: (event) => resolveEvent(event, context()),
      failure: (code) => ({ errors: [formatThrown(new CodedError(code), streamId)] }),
      onEnd,
      logger: deps.logger,
      reopenDelaysMs: deps.reopenDelaysMs ?? defaultReopenDelaysMs,
      snapshotTimeoutMs: deps.snapshotTimeoutMs ?? 10_000,
    });
  }

  return {
    subscribe(given) {
      if (!supergraph) throw new CodedError('NOT_READY');
      const text = normalise(given.document, given.operation);
      const key = canonicalJson([supergraph.id, text, given.variables, rightsOf(given.principal)]);
      const known = streams.get(key);
      if (known?.joinable()) return known.subscribe(given.onEnd);
      const stream: SharedStream = openStream(supergraph, text, given, () => {
        if (streams.get(key) === stream) streams.delete(key);
        all.delete(stream);
      });
      streams.set(key, stream);
      all.add(stream);
      return stream.subscribe(given.onEnd);
    },
    useSupergraph(next) {
      if (supergraph?.id === next.id) return;
      supergraph = next;
      plans.clear();
      for (const stream of [...all]) stream.end('SCHEMA_CHANGED');
    },
    stats: () => ({
      ...counts,
      streams: all.size,
      subscribers: [...all].reduce((sum, stream) => sum + stream.size, 0),
    }),
    dispose() {
      for (const stream of [...all]) stream.end('NOT_READY');
    },
  };
}

function kindOf(deps: SubscriptionEngineDeps, document: DocumentNode, operation: OperationDefinitionNode): StreamKind {
  const field = rootFieldOf(document, operation);
  return field !== null && deps.totalsFields.includes(field) ? 'totals' : 'feed';
}

function pick(variables: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(variables, name)).map((name) => [name, variables[name]]),
  );
}

/** Tells once when the iterator is over, however it ends. */
function countClose(
  upstream: AsyncIterator<FormattedExecutionResult>,
  onClose: () => void,
): AsyncIterator<FormattedExecutionResult> {
  let closed = false;
  const close = () => {
    if (!closed) onClose();
    closed = true;
  };
  return {
    async next() {
      try {
        const step = await upstream.next();
        if (step.done) close();
        return step;
      } catch (error) {
        close();
        throw error;
      }
    },
    async return() {
      close();
      await upstream.return?.();
      return { done: true, value: undefined };
    },
  };
}
