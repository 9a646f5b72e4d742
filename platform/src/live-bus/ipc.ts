import { CodedError, type LiveMessages, type LiveTopic } from '@tributary/schema';
import type { LiveBus } from '../live-bus.ts';
import { createTopicHistory, type TopicHistoryOptions } from './topic-history.ts';
import { isLiveTopic, liveTopics } from './topics.ts';

export interface LiveEnvelope {
  readonly topic: LiveTopic;
  readonly message: LiveMessages[LiveTopic];
}

/**
 * What travels over the channel between a forked child and its parent; other kinds of message may travel beside it. All
 * that is published in one go is one transfer: a write to the channel costs ten times what a message in it does.
 */
export interface LiveTransfer {
  readonly kind: 'live';
  readonly envelopes: readonly LiveEnvelope[];
}

/** One end of an IPC channel: `process` in the child, the ChildProcess in the parent. */
export interface IpcChannel {
  readonly connected: boolean;
  send?(message: LiveTransfer, callback: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
}

/** The parent's end: it also says when the child is gone. */
export interface ChildChannel extends IpcChannel {
  on(event: 'message' | 'exit', listener: (value: unknown) => void): unknown;
  off(event: 'message' | 'exit', listener: (value: unknown) => void): unknown;
}

export interface IpcLiveBusOptions extends TopicHistoryOptions {
  /** Default: this process's own channel to its parent. */
  readonly channel?: IpcChannel;
}

/** Messages not yet taken by the other side; beyond it the newest are dropped, as the port allows. */
const maxUnsent = 1_000;

/**
 * The live bus of a child process: its own subscribers hear it at once, all others through the parent, which bridges
 * (`bridgeLiveBus`). A listener on the channel keeps the child alive until `dispose`.
 *
 * Throws CodedError CONFIG_INVALID when the process was not forked with an IPC channel.
 */
export function openIpcLiveBus({
  channel = process as unknown as IpcChannel,
  ...historyOptions
}: IpcLiveBusOptions = {}): LiveBus {
  if (!channel.send) {
    throw new CodedError('CONFIG_INVALID', { message: 'There is no channel to a parent process for the live bus.' });
  }
  const topics = createTopicHistory(historyOptions);
  const send = createSender(channel);
  const receive = (raw: unknown): void => {
    for (const { topic, message } of parseTransfer(raw)) topics.put(topic, message);
  };
  channel.on('message', receive);
  let disposed = false;
  return {
    publish(topic, message) {
      if (disposed) return;
      topics.put(topic, message);
      send({ topic, message });
    },
    subscribe: async (topic, listener, options) => (disposed ? () => {} : topics.subscribe(topic, listener, options)),
    async dispose() {
      disposed = true;
      channel.off('message', receive);
      topics.clear();
    },
  };
}

/**
 * Parent side: what the child publishes goes to `bus`, what others publish on `bus` goes to the child; nothing comes
 * back to where it came from. `bus` must hand on the very message object (the memory bus does): that is how an echo is
 * known. Returns the function that ends the bridge; a child that exits ends its bridge too.
 */
export function bridgeLiveBus(bus: LiveBus, child: ChildChannel): () => void {
  const fromChild = new WeakSet<object>();
  const send = createSender(child);
  const unsubscribers: (() => void)[] = [];
  let ended = false;

  const receive = (raw: unknown): void => {
    for (const { topic, message } of parseTransfer(raw)) {
      fromChild.add(message);
      bus.publish(topic, message);
    }
  };
  const end = (): void => {
    ended = true;
    child.off('message', receive);
    child.off('exit', end);
    for (const unsubscribe of unsubscribers.splice(0)) unsubscribe();
  };

  child.on('message', receive);
  child.on('exit', end);
  for (const topic of liveTopics) {
    void bus
      .subscribe(topic, (message) => {
        if (!fromChild.has(message)) send({ topic, message });
      })
      .then((unsubscribe) => {
        if (ended) unsubscribe();
        else unsubscribers.push(unsubscribe);
      });
  }
  return end;
}

function createSender(channel: IpcChannel): (envelope: LiveEnvelope) => void {
  let unsent = 0;
  let open: LiveEnvelope[] = [];
  const transfer = (): void => {
    const envelopes = open;
    open = [];
    const settled = (): void => {
      unsent -= envelopes.length;
    };
    try {
      // With a callback, a channel that closes meanwhile is told here and does not become an 'error' event.
      if (channel.connected && channel.send) channel.send({ kind: 'live', envelopes }, settled);
      else settled();
    } catch {
      // The channel closed between the check and the call: nobody is left to hear it.
      settled();
    }
  };
  return (envelope) => {
    if (!channel.connected || !channel.send || unsent >= maxUnsent) return;
    unsent += 1;
    if (open.push(envelope) === 1) queueMicrotask(transfer);
  };
}

function parseTransfer(raw: unknown): readonly LiveEnvelope[] {
  const { kind, envelopes } = fieldsOf(raw);
  if (kind !== 'live' || !Array.isArray(envelopes)) return [];
  return envelopes.filter((one): one is LiveEnvelope => {
    const { topic, message } = fieldsOf(one);
    return isLiveTopic(topic) && typeof message === 'object' && message !== null;
  });
}

const fieldsOf = (raw: unknown): Readonly<Record<string, unknown>> =>
  typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
