/** The end of a channel between two processes, as `process` and a forked child have it. */
export interface PeerChannel {
  send?(message: unknown, callback?: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
}

/** What the other end may ask; each answer must survive JSON. */
export type PeerAnswers = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface Peer {
  /** Rejects when the other end does not answer in time, has no such answer, or failed. */
  ask(what: string, ...args: readonly unknown[]): Promise<unknown>;
  dispose(): void;
}

interface Message {
  readonly kind?: unknown;
  readonly id: number;
  readonly what: string;
  readonly args: readonly never[];
  readonly value?: unknown;
  readonly error?: string;
}

/** Questions and answers over a channel that carries other messages too. */
export function createPeer(channel: PeerChannel, answers: PeerAnswers, timeoutMs = 3_000): Peer {
  const asked = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  const send = (message: object): void => void channel.send?.(message, () => undefined);
  const answer = async ({ id, what, args }: Message): Promise<void> => {
    try {
      const known = Object.hasOwn(answers, what) ? answers[what] : undefined;
      if (!known) throw new Error(`nobody answers ${what}`);
      send({ kind: 'peer-answer', id, value: await known(...args) });
    } catch (error) {
      send({ kind: 'peer-answer', id, error: error instanceof Error ? error.message : String(error) });
    }
  };
  const onMessage = (raw: unknown): void => {
    if (raw === null || typeof raw !== 'object') return;
    const message = raw as Message;
    if (message.kind === 'peer-ask') void answer(message);
    if (message.kind !== 'peer-answer') return;
    const waiting = asked.get(message.id);
    asked.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.value);
    else waiting?.reject(new Error(message.error));
  };
  channel.on('message', onMessage);
  return {
    ask(what, ...args) {
      lastId += 1;
      const id = lastId;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          asked.delete(id);
          reject(new Error(`no answer to ${what} within ${timeoutMs} ms`));
        }, timeoutMs);
        const settle =
          <T>(end: (value: T) => void) =>
          (value: T): void => {
            clearTimeout(timer);
            end(value);
          };
        asked.set(id, { resolve: settle(resolve), reject: settle(reject) });
        send({ kind: 'peer-ask', id, what, args });
      });
    },
    dispose() {
      channel.off('message', onMessage);
      for (const { reject } of asked.values()) reject(new Error('the channel is closed'));
      asked.clear();
    },
  };
}
