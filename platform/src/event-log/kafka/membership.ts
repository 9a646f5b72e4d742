import { CodedError } from '@tributary/schema';

/**
 * What kafkajs 2.2.4 keeps to itself of a consumer's membership, taken from the cluster object that it hands to
 * partition assigners: each consumer has one of its own, and asks it for its coordinator before every join.
 */
export interface MembershipCluster {
  findGroupCoordinator(options: { readonly groupId: string }): Promise<Coordinator>;
  findBroker(options: { readonly nodeId: number }): Promise<Coordinator>;
}

export interface Coordinator {
  readonly nodeId: number;
  isConnected(): boolean;
  joinGroup(request: {
    readonly memberId: string;
  }): Promise<{ readonly generationId: number; readonly memberId: string }>;
  leaveGroup(request: object): Promise<unknown>;
  offsetCommit(request: object): Promise<unknown>;
}

/** One membership: from one join of the group to the next. */
export interface Membership {
  readonly generationId: number;
  readonly memberId: string;
}

export interface OffsetToCommit {
  readonly partition: number;
  readonly offset: bigint;
  readonly metadata: string;
}

export interface MembershipGate {
  /** The newest membership; null before the first join. */
  current(): Membership | null;
  /**
   * Commits as that membership, so that the coordinator refuses what comes from one that is over. Rejects with
   * STALE_OWNER then, with LOG_UNAVAILABLE when it can't be made durable now.
   */
  commit(membership: Membership, topic: string, offsets: readonly OffsetToCommit[]): Promise<void>;
}

/**
 * Holds back joins and leaves of the group until `beforeLetGo` has resolved: kafkajs tells of a rebalance but does not
 * wait for those it tells, while the other members wait for this one's join. (kafkajs's own commit is not used either: it
 * says nothing when the consumer is not running, and tries again under the next generation what belonged to the last.)
 */
export function gateMembership(
  cluster: MembershipCluster,
  groupId: string,
  beforeLetGo: () => Promise<void>,
): MembershipGate {
  const gated = new WeakSet<Coordinator>();
  const find = cluster.findGroupCoordinator.bind(cluster);
  let current: Membership | null = null;
  let coordinatorId: number | null = null;
  /** Who the group takes this reader for; empty when it is nobody there. */
  let memberId = '';

  function gate(coordinator: Coordinator): void {
    coordinatorId = coordinator.nodeId;
    if (gated.has(coordinator)) return;
    gated.add(coordinator);
    const join = coordinator.joinGroup.bind(coordinator);
    const leave = coordinator.leaveGroup.bind(coordinator);
    coordinator.joinGroup = async (request) => {
      // After an outage kafkajs comes as a stranger, and the whole group would wait until the session of the member that
      // it was has run out.
      const joined = await join({ ...request, memberId: request.memberId || memberId }).catch((error: unknown) => {
        if (isStale(error)) memberId = '';
        throw error;
      });
      memberId = joined.memberId;
      current = { generationId: joined.generationId, memberId: joined.memberId };
      return joined;
    };
    coordinator.leaveGroup = async (request) => {
      await beforeLetGo();
      const left = await leave(request);
      memberId = '';
      return left;
    };
  }

  cluster.findGroupCoordinator = async (options) => {
    await beforeLetGo();
    const coordinator = await find(options);
    gate(coordinator);
    return coordinator;
  };

  return {
    current: () => current,
    async commit({ generationId, memberId }, topic, offsets) {
      const partitions = offsets.map(({ partition, offset, metadata }) => ({
        partition,
        offset: offset.toString(),
        metadata,
      }));
      try {
        if (coordinatorId === null) throw new Error('the group has no coordinator yet');
        const coordinator = await cluster.findBroker({ nodeId: coordinatorId });
        await coordinator.offsetCommit({
          groupId,
          memberId,
          groupGenerationId: generationId,
          topics: [{ topic, partitions }],
        });
      } catch (cause) {
        throw new CodedError(isStale(cause) ? 'STALE_OWNER' : 'LOG_UNAVAILABLE', { cause });
      }
    },
  };
}

const staleTypes = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'FENCED_INSTANCE_ID']);

function isStale(error: unknown): boolean {
  return staleTypes.has((error as { readonly type?: string }).type ?? '');
}
