import { verdicts } from '../batch.ts';
import { aDeadLetterBlock, dedupeHashOf, partitionOfEvent } from '../blocks.testing.ts';
import { createSeenFilter } from '../seen-filter/seen-filter.ts';
import { findSuspects } from './find-suspects.ts';
import { aBatch } from './steps.testing.ts';

const dayMs = 86_400_000;
const now = 100 * dayMs;
/** The filter of partition 0, of a log of one partition. */
const loaded = (sinceMs = 0) => {
  const seen = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16 });
  seen.restart(sinceMs);
  return {
    seen: { of: (partition: number) => (partition === 0 ? seen : undefined) },
    dedupeWindowMs: 7 * dayMs,
    partitionCount: 1,
  };
};

describe('findSuspects', () => {
  it('suspects nothing of a batch of new ids', () => {
    const batch = aBatch({ receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'b' }] });
    expect(findSuspects(batch, loaded()).size).toBe(0);
  });

  it('returns all lines of the batch with a repeated id, the first one too, in order', () => {
    const batch = aBatch(
      { receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'b' }] },
      { receivedAt: now, events: [{ eventId: 'c' }, { eventId: 'a' }, { eventId: 'a' }] },
    );
    const suspects = findSuspects(batch, loaded());
    expect([...suspects.keys()]).toEqual([dedupeHashOf({ eventId: 'a' })]);
    const lines = suspects.get(dedupeHashOf({ eventId: 'a' })) ?? [];
    expect(lines.map(({ block, index }) => [batch.blocks.indexOf(block), index])).toEqual([
      [0, 0],
      [1, 1],
      [1, 2],
    ]);
  });

  it('suspects an id of an earlier batch', () => {
    const seen = loaded();
    findSuspects(aBatch({ receivedAt: now - 6 * dayMs, events: [{ eventId: 'a' }] }), seen);
    const suspects = findSuspects(aBatch({ receivedAt: now, events: [{ eventId: 'a' }] }), seen);
    expect(suspects.size).toBe(1);
  });

  it('suspects no line that is known to be stored, but remembers its id', () => {
    const seen = loaded();
    const batch = aBatch({ receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'a' }] });
    batch.blocks[0]!.lineVerdicts[0] = verdicts.present;
    const [lines] = [...findSuspects(batch, seen).values()];
    expect(lines?.map(({ index }) => index)).toEqual([1]);
  });

  it('suspects every line whose window begins before the memory of the filter', () => {
    const seen = loaded(now - 8 * dayMs);
    const batch = aBatch(
      { receivedAt: now, events: [{ eventId: 'a' }] },
      { receivedAt: now - 2 * dayMs, events: [{ eventId: 'b' }] },
    );
    expect([...findSuspects(batch, seen).keys()]).toEqual([dedupeHashOf({ eventId: 'b' })]);
  });

  it('suspects every line of a partition whose ids it does not know', () => {
    const batch = aBatch({ receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'b' }] });
    expect(findSuspects(batch, { ...loaded(), seen: { of: () => undefined } }).size).toBe(2);
  });

  it('suspects a line that was written when the log had another number of partitions', () => {
    const events = ['a', 'b', 'c', 'd', 'e', 'f'].map((eventId) => ({ eventId }));
    const suspects = findSuspects(aBatch({ receivedAt: now, events }), { ...loaded(), partitionCount: 2 });
    const elsewhere = events.filter((event) => partitionOfEvent(event, 2) === 1);
    expect(elsewhere.length).toBeGreaterThan(0);
    expect([...suspects.keys()].sort()).toEqual(elsewhere.map(dedupeHashOf).sort());
  });

  it('leaves dead letters alone', () => {
    expect(findSuspects(aBatch(aDeadLetterBlock([{ a: 1 }, { a: 1 }], now)), loaded()).size).toBe(0);
  });
});
