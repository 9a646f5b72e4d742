import { operationFromDocument } from '@apollo/federation-internals';
import type { PlanNode, SubscriptionNode } from '@apollo/query-planner';
import { CodedError } from '@tributary/schema';
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  print,
  visit,
} from 'graphql';
import { canExecute } from '../execution/execute-plan.ts';
import type { Supergraph } from '../supergraph.ts';

export interface SubscriptionPlan {
  /** Subscribed on the subgraph that owns the field. */
  readonly primary: SubscriptionNode['primary'];
  /** Run for every event; its primary fetch is answered by the event. */
  readonly perEvent: PlanNode;
}

/**
 * Plans a subscription. The planner gives `{primary, rest?}`; Apollo's executor refuses that kind of node, so it becomes an
 * ordinary sequence here. Throws what the planner throws, and CodedError INTERNAL for a plan of another form.
 */
export function planSubscription(
  supergraph: Supergraph,
  document: DocumentNode,
  operationName?: string,
): SubscriptionPlan {
  const operation = operationFromDocument(supergraph.apiSchema, document, operationName ? { operationName } : {});
  const { node } = supergraph.planner.buildQueryPlan(operation);
  if (node?.kind !== 'Subscription') {
    throw new CodedError('INTERNAL', {
      cause: new Error(`The planner made a ${node?.kind ?? 'missing'} node of a subscription`),
    });
  }
  const { primary, rest } = node;
  const perEvent: PlanNode = rest ? { kind: 'Sequence', nodes: [primary, rest] } : primary;
  if (!canExecute(perEvent)) {
    throw new CodedError('INTERNAL', { cause: new Error('A subscription needs a kind of plan that is not supported') });
  }
  return { primary, perEvent };
}

/** The operation alone with the fragments it uses, in one spelling: what differs only in layout or unused parts is equal. */
export function normalise(document: DocumentNode, operation: OperationDefinitionNode): string {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const used = new Set<string>();
  const collect = (node: OperationDefinitionNode | FragmentDefinitionNode): void => {
    visit(node, {
      FragmentSpread({ name }) {
        const fragment = fragments.get(name.value);
        if (!fragment || used.has(name.value)) return;
        used.add(name.value);
        collect(fragment);
      },
    });
  };
  collect(operation);
  const parts = [...used].sort().map((name) => print(fragments.get(name) as FragmentDefinitionNode));
  return [print(operation), ...parts].join('\n');
}

/** Schema name of the subscription's one root field; null while it can't be told (fragments at the root). */
export function rootFieldOf(document: DocumentNode, operation: OperationDefinitionNode): string | null {
  let selections = operation.selectionSet.selections;
  // A root field may hide in fragments; validation allows exactly one field in all.
  for (let level = 0; level < 16; level += 1) {
    const [first] = selections;
    if (!first) return null;
    if (first.kind === Kind.FIELD) return first.name.value;
    if (first.kind === Kind.INLINE_FRAGMENT) selections = first.selectionSet.selections;
    else {
      const name = first.name.value;
      const fragment = document.definitions.find(
        (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name,
      );
      if (fragment?.kind !== Kind.FRAGMENT_DEFINITION) return null;
      selections = fragment.selectionSet.selections;
    }
  }
  return null;
}
