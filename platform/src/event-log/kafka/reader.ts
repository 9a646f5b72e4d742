import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '@tributary/schema';
import kafkajs, { type Admin, type Consumer, type EachBatchPayload, type Kafka } from 'kafkajs';
import type { LogReader, LogReaderOptions, LogRecord, PartitionAssignment } from '../../event-log.ts';
import { assertPartition } from '../reader.ts';
import { createWakeSignal } from '../wake-signal.ts';
import { epochMetadata, epochOf, parseEpochMetadata } from './epoch.ts';
import { kafkaJsRetry } from './kafkajs-client.ts';
import { gateMembership, type Membership, type MembershipCluster, type MembershipGate } from './membership.ts';
import { groupIdOf, readPositions } from './positions.ts';
import { createPrefetch } from './prefetch.ts';
import type { KafkaSettings } from './settings.ts';
import { growthFault } from './topic.ts';

interface ReaderDeps {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly settings: KafkaSettings;
}

/** What the reader was given by one join of its group. */
interface Assignment {
  readonly membership: Membership;
  readonly partitions: readonly number[];
  readonly epochs: Map<number, bigint>;
  /** `onAssigned` resolved: records flow. */
  ready: boolean;
  letGo: Promise<void> | null;
}

/** A fetch that finds nothing waits so long, and so does one of partitions that are all paused. */
const fetchWaitMs = 100;
/** Of one answer, as it is on the wire; decompressed it may be some ten times that. */
const fetchBytes = 4_194_304;
const fetchBytesPerPartition = 1_048_576;
const startWaitMs = 5_000;
const startRetryMs = 200;

/**
 * A reader that shares its group's partitions with the other readers of the group. See LogReader. It joins at the first
 * `next`; from then on it answers the group's heartbeats by itself, whether `next` is called or not.
 *
 * (Over 50 lines: one closure over the state of one reader; each function inside is short.)
 */
export function createKafkaReader({ kafka, admin, settings }: ReaderDeps, options: LogReaderOptions): LogReader {
  const { topic, logger, now } = settings;
  const group = groupIdOf(topic, options.group);
  const ended = new AbortController();
  const changed = createWakeSignal();
  const soughtEarly = new Map<number, bigint>();
  let assignment: Assignment | null = null;
  let wasAssigned = false;
  let assigning: Promise<void> | null = null;
  let failure: { readonly error: unknown } | null = null;
  let starting: Promise<void> | null = null;
  let disposing: Promise<void> | null = null;
  let waking: NodeJS.Immediate | null = null;
  const prefetch = createPrefetch(settings.prefetchBytes, () => assignment?.partitions.length ?? 1);

  let gate: MembershipGate | null = null;
  const consumer: Consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: settings.sessionTimeoutMs,
    heartbeatInterval: Math.min(3_000, settings.sessionTimeoutMs / 3),
    rebalanceTimeout: Math.max(60_000, settings.sessionTimeoutMs),
    maxWaitTimeInMs: fetchWaitMs,
    maxBytes: fetchBytes,
    maxBytesPerPartition: fetchBytesPerPartition,
    allowAutoTopicCreation: false,
    retry: { ...kafkaJsRetry, restartOnFailure: async () => !ended.signal.aborted },
    partitionAssigners: [
      (config) => {
        gate = gateMembership(config.cluster as unknown as MembershipCluster, group, letGo);
        return kafkajs.PartitionAssigners.roundRobin(config);
      },
    ],
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    joined((payload.memberAssignment as Record<string, number[]>)[topic] ?? []);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (payload.restart || ended.signal.aborted) return;
    failure = { error: new CodedError('LOG_UNAVAILABLE', { cause: payload.error }) };
    starting = null;
    changed.wake();
  });

  async function start(): Promise<void> {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: async (payload) => receive(payload) });
  }

  function startOnce(): void {
    starting ??= start().catch(async (error: unknown) => {
      logger?.warn({ err: error, group }, 'The event log cannot be read yet; trying again.');
      await sleep(startRetryMs, undefined, { signal: ended.signal }).catch(() => undefined);
      starting = null;
      changed.wake();
    });
  }

  /** Called by kafkajs between its join and its first fetch. */
  function joined(partitions: readonly number[]): void {
    const membership = gate?.current();
    if (ended.signal.aborted || !membership) return;
    prefetch.clear();
    // Paused fetching goes on with heartbeats, however long onAssigned takes.
    consumer.pause([{ topic, partitions: [...partitions] }]);
    assignment = { membership, partitions, epochs: new Map(), ready: false, letGo: null };
    if (partitions.length === 0) assignment.ready = true;
    else assignOnce(assignment);
  }

  function assignOnce(given: Assignment): void {
    assigning = assign(given)
      .catch((error: unknown) => {
        if (assignment === given) failure = { error };
      })
      .finally(() => {
        assigning = null;
        changed.wake();
      });
  }

  async function assign(given: Assignment): Promise<void> {
    const assigned = await recordEpochs(given);
    if (isOver(given)) return;
    for (const { partition, fromOffset } of assigned) seekTo(partition, fromOffset);
    await options.onAssigned?.(assigned);
    given.ready = true;
    wasAssigned = true;
    for (const [partition, offset] of soughtEarly) if (given.epochs.has(partition)) seekTo(partition, offset);
    soughtEarly.clear();
    if (!isOver(given)) consumer.resume([{ topic, partitions: [...given.partitions] }]);
  }

  /** Commits the epochs before anybody hears of them, and as this generation: a member that was passed over can't. */
  async function recordEpochs(given: Assignment): Promise<readonly PartitionAssignment[]> {
    const positions = await readPositions(admin, group, topic).catch((cause: unknown) => {
      throw new CodedError('LOG_UNAVAILABLE', { cause });
    });
    const fault = growthFault(positions.length, settings);
    if (fault) throw new CodedError('CONFIG_INVALID', { message: fault });
    const assigned = given.partitions.map((partition) => {
      const { offset, metadata } = positions[partition]!;
      const epoch = epochOf(given.membership.generationId, parseEpochMetadata(metadata), now());
      given.epochs.set(partition, epoch);
      return { partition, fromOffset: offset, epoch };
    });
    await gate!.commit(
      given.membership,
      topic,
      assigned.map(({ partition, fromOffset, epoch }) => ({
        partition,
        offset: fromOffset,
        metadata: epochMetadata(epoch),
      })),
    );
    return assigned;
  }

  const isOver = (given: Assignment): boolean => assignment !== given || given.letGo !== null || ended.signal.aborted;

  function receive({ batch, isStale }: EachBatchPayload): void {
    const { partition } = batch;
    if (isStale() || !assignment?.ready || !assignment.epochs.has(partition)) return;
    if (prefetch.add(partition, batch.messages)) consumer.pause([{ topic, partitions: [partition] }]);
    // When all partitions of one answer are in: else the first of them would have the reader's attention for itself.
    if (waking) return;
    waking = setImmediate(() => {
      waking = null;
      changed.wake();
    });
  }

  function seekTo(partition: number, offset: bigint): void {
    const wasFull = prefetch.drop(partition);
    consumer.seek({ topic, partition, offset: offset.toString() });
    if (wasFull && assignment?.ready) consumer.resume([{ topic, partitions: [partition] }]);
  }

  /** Before this reader joins again or leaves: nothing flows any more, and onRevoked has resolved. */
  function letGo(): Promise<void> {
    const given = assignment;
    if (!given) return Promise.resolve();
    given.letGo ??= (async () => {
      await assigning;
      const wasReady = given.ready;
      given.ready = false;
      prefetch.clear();
      try {
        if (wasReady && given.partitions.length > 0) await options.onRevoked?.(given.partitions);
      } finally {
        if (assignment === given) assignment = null;
        // Its failure was that of an assignment which is over.
        failure = null;
      }
    })();
    return given.letGo;
  }

  function throwFailure(): void {
    if (!failure) return;
    const { error } = failure;
    failure = null;
    throw error;
  }

  function takeReady(maxBytes: number): readonly LogRecord[] {
    if (!assignment?.ready || assignment.letGo) return [];
    const records = prefetch.take(maxBytes);
    const partitions = prefetch.relieved();
    if (partitions.length > 0) consumer.resume([{ topic, partitions }]);
    return records;
  }

  async function next({ maxBytes, waitMs }: { maxBytes: number; waitMs: number }): Promise<readonly LogRecord[]> {
    const deadline = performance.now() + waitMs;
    while (!ended.signal.aborted) {
      startOnce();
      throwFailure();
      // An assignment that failed is made again.
      if (assignment && !assignment.ready && !assignment.letGo && !assigning) assignOnce(assignment);
      const records = takeReady(maxBytes);
      if (records.length > 0) return records;
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 0) break;
      await changed.wait(remainingMs, ended.signal);
    }
    return [];
  }

  async function dispose(): Promise<void> {
    ended.abort();
    try {
      await letGo();
    } finally {
      const enough = new AbortController();
      await Promise.race([starting, createWakeSignal().wait(startWaitMs, enough.signal)]);
      enough.abort();
      await consumer.disconnect();
    }
  }

  return {
    next,
    async commit(partition, nextOffset) {
      assertPartition(partition, settings.partitions);
      const epoch = assignment?.epochs.get(partition);
      if (!assignment || epoch === undefined) throw notOwned(partition, group, disposing !== null);
      await gate!.commit(assignment.membership, topic, [
        { partition, offset: nextOffset, metadata: epochMetadata(epoch) },
      ]);
    },
    async seek(partition, offset) {
      assertPartition(partition, settings.partitions);
      if (ended.signal.aborted) return;
      if (assignment?.epochs.has(partition)) seekTo(partition, offset);
      else if (wasAssigned) throw notOwned(partition, group, false);
      else soughtEarly.set(partition, offset);
    },
    dispose: () => (disposing ??= dispose()),
  };
}

function notOwned(partition: number, group: string, isDisposed: boolean): CodedError {
  return new CodedError(isDisposed ? 'INTERNAL' : 'STALE_OWNER', {
    message: `This reader does not own partition ${partition} of ${group}.`,
  });
}
