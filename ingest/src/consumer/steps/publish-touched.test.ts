import { verdicts } from '../batch.ts';
import { touchesOf } from './publish-touched.ts';
import { aBatch } from './steps.testing.ts';

const minute = 60_000;

describe('touchesOf', () => {
  it('merges the minutes and events of an app over all blocks', () => {
    const batch = aBatch(
      { receivedAt: 5 * minute, events: [{ eventId: 'a' }, { eventId: 'b', appId: 'app_b' }] },
      { receivedAt: 6 * minute, events: [{ eventId: 'c', occurredAt: 5 * minute + 1 }, { eventId: 'd' }] },
    );
    expect(touchesOf(batch, [])).toEqual([
      { tenantId: 'ten_a', appId: 'app_a', minutes: new Set([5 * minute, 6 * minute]), events: 3 },
      { tenantId: 'ten_a', appId: 'app_b', minutes: new Set([5 * minute]), events: 1 },
    ]);
  });

  it('counts no dropped line, and says nothing of an app of which nothing was stored', () => {
    const batch = aBatch({ receivedAt: minute, events: [{ eventId: 'a' }, { eventId: 'b', appId: 'app_b' }] });
    const dropped = [{ block: batch.blocks[0]!, tenantId: 'ten_a', appId: 'app_b' }];
    expect(touchesOf(batch, dropped).map(({ appId, events }) => [appId, events])).toEqual([['app_a', 1]]);
  });

  it('does not take the repeats of a block that came twice from what is new', () => {
    const batch = aBatch(
      { receivedAt: minute, events: [{ eventId: 'a' }] },
      { receivedAt: minute, events: [{ eventId: 'a' }] },
    );
    const repeated = batch.blocks[1]!;
    repeated.lineVerdicts.fill(verdicts.duplicate);
    const dropped = [{ block: repeated, tenantId: 'ten_a', appId: 'app_a' }];
    expect(touchesOf(batch, dropped).map(({ events }) => events)).toEqual([1]);
  });

  it('says nothing of a block of which nothing was stored', () => {
    const batch = aBatch({ receivedAt: minute, events: [{ eventId: 'a' }] });
    batch.blocks[0]!.lineVerdicts.fill(verdicts.duplicate);
    expect(touchesOf(batch, [])).toEqual([]);
  });
});
