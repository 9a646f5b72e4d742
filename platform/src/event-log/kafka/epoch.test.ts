import { epochMetadata, epochOf, parseEpochMetadata } from './epoch.ts';

const day = 86_400_000;

describe('the epoch of an assignment', () => {
  it('grows with the generation of the group', () => {
    expect(epochOf(8, epochOf(7, null, 20_000 * day), 20_000 * day)).toBe(epochOf(7, null, 20_000 * day) + 1n);
  });

  it('grows when the group was forgotten and its generation starts again', () => {
    expect(epochOf(1, null, 20_008 * day) > epochOf(4_000_000, null, 20_000 * day)).toBe(true);
  });

  it('does not go back on a host whose clock is a day behind', () => {
    const before = epochOf(7, null, 20_001 * day);
    expect(epochOf(8, before, 20_000 * day)).toBe(before + 1n);
  });

  it('is read from the metadata of a commit as it was written; null from any other', () => {
    const epoch = epochOf(3, null, 20_000 * day);
    expect(parseEpochMetadata(epochMetadata(epoch))).toBe(epoch);
    for (const other of [null, undefined, '', 'epoch=', 'epoch=x', 'note'])
      expect(parseEpochMetadata(other)).toBeNull();
  });
});
