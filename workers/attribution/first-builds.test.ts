import { createFirstBuilds } from './first-builds.ts';

const event = (ref: string, insertedAt: number) => ({ ref, insertedAt });

describe('a conversion', () => {
  it('is known to have no journey only if it was inserted after all that was looked at', () => {
    const builds = createFirstBuilds();
    builds.seen(100);
    expect([99, 100, 101].map((at) => builds.isFirst(event('e', at)))).toEqual([false, false, true]);
    builds.seen(50);
    expect(builds.isFirst(event('e', 100))).toBe(false);
  });

  it('that a trigger built before its turn is asked for', () => {
    const builds = createFirstBuilds();
    builds.seen(100);
    builds.built([event('early', 200), event('old', 90)]);
    expect(builds.isFirst(event('early', 200))).toBe(false);
    expect(builds.isFirst(event('other', 200))).toBe(true);
    builds.seen(200);
    expect(builds.isFirst(event('early', 200))).toBe(false);
  });

  it('is asked for, with all inserted up to then, where too many were built before their turn', () => {
    const builds = createFirstBuilds();
    builds.built(Array.from({ length: 50_001 }, (_, i) => event(`e${i}`, i)));
    expect(builds.isFirst(event('new', 50_000))).toBe(false);
    expect(builds.isFirst(event('new', 50_001))).toBe(true);
  });
});
