import { CodedError, type LiveMessages, type LiveTopic } from '@tributary/schema';
import type { LiveBus } from '../live-bus.ts';
import { createTopicHistory, type TopicHistoryOptions } from './topic-history.ts';
import { isLiveTopic, liveTopics } from './topics.ts';

/** What travels over the channel between a forked child and its parent; other kinds of message may travel beside it. */
export interface LiveEnvelope {
  readonly kind: 'live';
  readonly topic: LiveTopic;
  readonly message: LiveMessages[LiveTopic];
}

/** One end of an IPC channel: `process` in the child, the ChildProcess in the parent. */
export interface IpcChannel {
  readonly connected: boolean;
  send?(message: LiveEnvelope, callback: (error: Error | null) => void): boolean;
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
    const envelope = parseEnvelope(raw);
    if (envelope) topics.put(envelope.topic, envelope.message);
  };
  channel.on('message', receive);
  let disposed = false;
  return {
    publish(topic, message) {
      if (disposed) return;
      topics.put(topic, message);
      send({ kind: 'live', topic, message });
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
    const envelope = parseEnvelope(raw);
    if (!envelope) return;
    fromChild.add(envelope.message);
    bus.publish(envelope.topic, envelope.message);
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
        if (!fromChild.has(message)) send({ kind: 'live', topic, message });
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
  return (envelope) => {
    if (!channel.connected || !channel.send || unsent >= maxUnsent) return;
    unsent += 1;
    try {
      // With a callback, a channel that closes meanwhile is told here and does not become an 'error' event.
      channel.send(envelope, () => {
        unsent -= 1;
      });
    } catch {
      // The channel closed between the check and the call: nobody is left to hear it.
      unsent -= 1;
    }
  };
}

function parseEnvelope(raw: unknown): LiveEnvelope | null {
  if (typeof raw !== 'object' || raw === null) return null;
  const { kind, topic, message } = raw as Partial<Record<keyof LiveEnvelope, unknown>>;
  const fits = kind === 'live' && isLiveTopic(topic) && typeof message === 'object' && message !== null;
  return fits ? (raw as LiveEnvelope) : null;
}
