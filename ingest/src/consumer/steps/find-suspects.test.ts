import { verdicts } from '../batch.ts';
import { aDeadLetterBlock, dedupeHashOf } from '../blocks.testing.ts';
import { createSeenFilter } from '../seen-filter/seen-filter.ts';
import { findSuspects } from './find-suspects.ts';
import { aBatch } from './steps.testing.ts';

const dayMs = 86_400_000;
const now = 100 * dayMs;
const loaded = () => {
  const seen = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16 });
  seen.restart(0);
  return seen;
};

describe('findSuspects', () => {
  it('suspects nothing of a batch of new ids', () => {
    const batch = aBatch({ receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'b' }] });
    expect(findSuspects(batch, loaded(), 7 * dayMs).size).toBe(0);
  });

  it('returns all lines of the batch with a repeated id, the first one too, in order', () => {
    const batch = aBatch(
      { receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'b' }] },
      { receivedAt: now, events: [{ eventId: 'c' }, { eventId: 'a' }, { eventId: 'a' }] },
    );
    const suspects = findSuspects(batch, loaded(), 7 * dayMs);
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
    findSuspects(aBatch({ receivedAt: now - 6 * dayMs, events: [{ eventId: 'a' }] }), seen, 7 * dayMs);
    const suspects = findSuspects(aBatch({ receivedAt: now, events: [{ eventId: 'a' }] }), seen, 7 * dayMs);
    expect(suspects.size).toBe(1);
  });

  it('suspects no line that is known to be stored, but remembers its id', () => {
    const seen = loaded();
    const batch = aBatch({ receivedAt: now, events: [{ eventId: 'a' }, { eventId: 'a' }] });
    batch.blocks[0]!.lineVerdicts[0] = verdicts.present;
    const [lines] = [...findSuspects(batch, seen, 7 * dayMs).values()];
    expect(lines?.map(({ index }) => index)).toEqual([1]);
  });

  it('suspects every line whose window begins before the memory of the filter', () => {
    const seen = createSeenFilter({ sliceMs: dayMs, bitsPerId: 16 });
    seen.restart(now - 8 * dayMs);
    const batch = aBatch(
      { receivedAt: now, events: [{ eventId: 'a' }] },
      { receivedAt: now - 2 * dayMs, events: [{ eventId: 'b' }] },
    );
    expect([...findSuspects(batch, seen, 7 * dayMs).keys()]).toEqual([dedupeHashOf({ eventId: 'b' })]);
  });

  it('leaves dead letters alone', () => {
    expect(findSuspects(aBatch(aDeadLetterBlock([{ a: 1 }, { a: 1 }], now)), loaded(), 7 * dayMs).size).toBe(0);
  });
});
