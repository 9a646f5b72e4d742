import type { Directory } from '@tributary/platform/directory';
import type { Position } from '../src/position.ts';
import { maxOf } from './decide-installs.ts';
import type { FirstBuilds } from './first-builds.ts';
import type { PassCounts } from './pass.ts';
import { groupsAtOnce, type InsertGroup, type NewEvent, type ScanReader } from './scan-reader.ts';

/**
 * Rows become visible when their insert ends, but carry the time at which it began to write. An insert may take as long as
 * its time limit (60 s in the consumer) and be completed after a restart; this is how far behind the newest row late ones
 * are still looked for, on the warehouse's clock.
 */
export const overlapMs = 180_000;
/** How far a look back reaches that is not thorough: covers what writes while others write, not an insert that hangs. */
const nearOverlapMs = 10_000;
/**
 * Events of a page. Far behind, pages are larger: once parts are merged, each page costs reading most of the relevant rows of
 * its time, however few it takes of them.
 */
const eventsPerPage = { ordinary: 10_000, behind: 30_000, behindFrom: 60_000 } as const;
const groupsPerBundle = 1_000;

export interface ScanDeps {
  readonly reader: ScanReader;
  readonly position: Position;
  readonly directory: Directory;
  /** `behindMs`: how much later than these the newest waiting ones were inserted. */
  readonly process: (events: readonly NewEvent[], behindMs: number) => Promise<PassCounts>;
  /** Asked between pages; true ends the scan early with all finished groups accounted for. */
  readonly stopped: () => boolean;
  readonly firstBuilds: FirstBuilds;
}

export interface Scan {
  /**
   * Processes all that is new. Rejects when the warehouse fails; what was finished by then stays finished. `thorough`: late
   * inserts are looked for too, `overlapMs` back, which reads all rows of that time. The first run of all is.
   */
  run(how: { readonly thorough: boolean }): Promise<PassCounts>;
  /** Keeps the position, if it moved since it was kept last. */
  keepPosition(): Promise<void>;
}

/**
 * Follows the inserts. Events that share a time of insertion form a group; a group is done when as many of its events were
 * processed as there are. So a slow insert that shows up late is found by its count, and nothing else is read twice.
 */
export function createScan({ reader, position, directory, process, stopped, firstBuilds }: ScanDeps): Scan {
  /** Time of insertion → how many events of it are processed. Holds the overlap only. */
  const done = new Map<number, number>();
  let reached: number | null = null;
  let kept = 0;
  /** The latest time of insertion of bundles that were begun. */
  let begun: number | null = null;

  const finish = (bundle: readonly InsertGroup[]) => {
    for (const group of bundle) {
      done.set(group.insertedAt, group.events);
      reached = Math.max(reached ?? 0, group.insertedAt);
    }
    for (const insertedAt of done.keys()) if (insertedAt < (reached ?? 0) - 2 * overlapMs) done.delete(insertedAt);
  };

  return {
    async run({ thorough }) {
      const looksFar = thorough || reached === null;
      const lookBackMs = looksFar ? overlapMs : nearOverlapMs;
      reached ??= kept = await position.read();
      const { goals } = directory.current();
      const total = { events: 0, decisions: 0, journeys: 0 };
      if (looksFar) await reader.learnNames(goals);
      const groups = await reader.readGroups(Math.max(0, reached - lookBackMs), goals);
      // What was there at the start, a predecessor may have worked on.
      begun ??= groups.length < groupsAtOnce ? maxOf([reached, ...timesOf(groups)]) : Number.POSITIVE_INFINITY;
      const newestMs = maxOf(timesOf(groups));
      const open = groups.filter((group) => group.events > (done.get(group.insertedAt) ?? 0));
      const pageSize = pageSizeFor(open);
      for (const bundle of bundlesOf(open, pageSize)) {
        firstBuilds.seen(begun);
        begun = maxOf([begun, ...timesOf(bundle)]);
        for await (const page of reader.readEvents(bundle, goals, pageSize)) {
          if (stopped()) return total;
          const counts = await process(page, newestMs - maxOf(page.map((event) => event.insertedAt)));
          total.events += counts.events;
          total.decisions += counts.decisions;
          total.journeys += counts.journeys;
        }
        finish(bundle);
        if (stopped()) break;
      }
      return total;
    },
    async keepPosition() {
      if (reached === null || reached <= kept) return;
      await position.write(reached);
      kept = reached;
    },
  };
}

function pageSizeFor(open: readonly InsertGroup[]): number {
  const events = open.reduce((sum, group) => sum + group.events, 0);
  return events >= eventsPerPage.behindFrom ? eventsPerPage.behind : eventsPerPage.ordinary;
}

const timesOf = (groups: readonly InsertGroup[]) => groups.map(({ insertedAt }) => insertedAt);

/** Groups in order, put together up to a page of events: a small insert doesn't pay for a round of statements alone. */
function* bundlesOf(groups: readonly InsertGroup[], pageSize: number): Generator<readonly InsertGroup[]> {
  let bundle: InsertGroup[] = [];
  let events = 0;
  for (const group of groups) {
    if (bundle.length > 0 && (events + group.events > pageSize || bundle.length >= groupsPerBundle)) {
      yield bundle;
      bundle = [];
      events = 0;
    }
    bundle.push(group);
    events += group.events;
  }
  if (bundle.length > 0) yield bundle;
}
