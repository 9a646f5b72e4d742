import type { EventLog, LogReader } from '@tributary/platform/event-log';
import type { InsertBytes, Warehouse } from '@tributary/platform/warehouse';
import { CodedError } from '@tributary/schema';
import { linesOf } from './memory-warehouse.testing.ts';

/**
 * What goes wrong at one call of a port.
 * - `fail_*`: the call rejects. `crash_*`: the consumer's process ends there: this and all its later calls never settle.
 * - `before`: nothing was done. `after`: it was done. `half`: of an insert, only the lines of its first month were.
 * - `late`: its insert goes on running and is done later, unless somebody ends it.
 */
export type Fault =
  | 'fail_before'
  | 'fail_after'
  | 'fail_half'
  | 'fail_late'
  | 'crash_before'
  | 'crash_after'
  | 'crash_half'
  | 'crash_late';

export interface FaultyPorts {
  readonly warehouse: Warehouse;
  readonly eventLog: EventLog;
  /** Resolves when the consumer's process has ended. */
  readonly crashed: Promise<void>;
}

/** Inserts that outlive the process that sent them. */
export interface LateInserts {
  add(queryId: string, run: () => Promise<unknown>): void;
  /** Ends those with the prefix that match: each is either done or dropped before this resolves. */
  end(prefix: string, matching: string): Promise<void>;
  /** A call of somebody else goes by; each insert is done at the `afterCalls`th of them. */
  tick(): Promise<void>;
}

export function createLateInserts(afterCalls: number): LateInserts {
  let waiting: { queryId: string; run: () => Promise<unknown>; calls: number }[] = [];
  return {
    add: (queryId, run) => void waiting.push({ queryId, run, calls: 0 }),
    async end(prefix, matching) {
      const fits = new RegExp(matching);
      const mine = waiting.filter(({ queryId }) => queryId.startsWith(prefix) && fits.test(queryId));
      waiting = waiting.filter((insert) => !mine.includes(insert));
      // Half of them are too far gone to be stopped.
      for (const [index, { run }] of mine.entries()) if (index % 2 === 0) await run().catch(() => {});
    },
    async tick() {
      for (const insert of waiting) insert.calls += 1;
      const due = waiting.filter(({ calls }) => calls >= afterCalls);
      waiting = waiting.filter((insert) => !due.includes(insert));
      for (const { run } of due) await run().catch(() => {});
    },
  };
}

/**
 * The ports of one consumer process, with a fault at some of their calls: `nextFault` is asked at each insert, question
 * and commit. All processes share the stores behind.
 */
export function createFaultyPorts(
  stores: { readonly warehouse: Warehouse; readonly eventLog: EventLog; readonly late: LateInserts },
  nextFault: (call: 'insert' | 'query' | 'commit') => Fault | null,
): FaultyPorts {
  const { warehouse, eventLog, late } = stores;
  const crash = Promise.withResolvers<void>();
  const readers: LogReader[] = [];
  let isCrashed = false;

  async function at<T>(
    call: 'insert' | 'query' | 'commit',
    work: () => Promise<T>,
    partly: { readonly half?: () => Promise<unknown>; readonly late?: () => void } = {},
  ): Promise<T> {
    if (isCrashed) return never<T>();
    await late.tick();
    const fault = nextFault(call);
    if (!fault) return alive(await work());
    const [how, when] = fault.split('_') as ['fail' | 'crash', 'before' | 'after' | 'half' | 'late'];
    if (when === 'after' || (when === 'late' && !partly.late)) await work();
    if (when === 'half') await partly.half?.();
    if (when === 'late') partly.late?.();
    if (how === 'fail') throw new CodedError('WAREHOUSE_UNAVAILABLE', { message: `injected: ${fault} at ${call}` });
    isCrashed = true;
    // What the system does for a process that ended: its partitions are free.
    await Promise.all(readers.map((reader) => reader.dispose()));
    crash.resolve();
    return never<T>();
  }
  const alive = <T>(value: T): T | Promise<T> => (isCrashed ? never<T>() : value);

  return {
    crashed: crash.promise,
    warehouse: {
      ...warehouse,
      query: (definition, params, options) => at('query', () => warehouse.query(definition, params, options)),
      insertBytes(insert) {
        const run = () => warehouse.insertBytes(insert);
        return at('insert', run, {
          half: () => warehouse.insertBytes(firstMonthOf(insert)),
          late: () => late.add(insert.queryId ?? '', run),
        });
      },
      insertRows: (insert) => at('insert', () => warehouse.insertRows(insert)),
      killQueries: async (prefix, matching = '') => {
        if (isCrashed) return never<void>();
        await late.end(prefix, matching);
        await warehouse.killQueries(prefix, matching);
      },
    },
    eventLog: {
      ...eventLog,
      async openReader(options) {
        const reader = await eventLog.openReader({
          ...options,
          onRevoked: async (partitions) => (isCrashed ? undefined : options.onRevoked?.(partitions)),
        });
        readers.push(reader);
        return {
          ...reader,
          next: async (request) => (isCrashed ? never() : alive(await reader.next(request))),
          commit: (partition, nextOffset) => at('commit', () => reader.commit(partition, nextOffset)),
        } satisfies LogReader;
      },
    },
  };
}

/** The lines of an insert that fall into the month of its first line: what is left of one over two months, cut in between. */
function firstMonthOf(insert: InsertBytes): InsertBytes {
  const monthOf = (line: string) => {
    const { occurred_at } = JSON.parse(line) as { occurred_at?: number };
    return typeof occurred_at === 'number' ? new Date(occurred_at).toISOString().slice(0, 7) : null;
  };
  const lines = linesOf(insert);
  const first = monthOf(lines[0]!);
  const kept = lines.filter((line) => first !== null && monthOf(line) === first);
  return { ...insert, body: Buffer.from(kept.map((line) => `${line}\n`).join('')) };
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
