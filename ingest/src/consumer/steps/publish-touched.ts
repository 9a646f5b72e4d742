import { type Batch, type BatchBlock, verdicts } from '../batch.ts';
import type { LiveTouches, Touch } from '../live-touches.ts';
import type { DroppedLine } from './judge-suspects.ts';

/**
 * Says which minutes of which apps have new rows. Blocks of which nothing was stored say nothing; those found stored
 * already do, since the predecessor that stored them may not have said so.
 */
export function publishTouched(batch: Batch, dropped: readonly DroppedLine[], live: LiveTouches): void {
  for (const touch of touchesOf(batch, dropped)) live.add(touch);
}

export function touchesOf(batch: Batch, dropped: readonly DroppedLine[]): Touch[] {
  const touches = new Map<string, { tenantId: string; appId: string; minutes: Set<number>; events: number }>();
  for (const block of batch.blocks) {
    const { record } = block;
    if (!isTold(block)) continue;
    for (const { tenantId, appId, minutes, events } of record.header.touched) {
      const key = `${tenantId} ${appId}`;
      const touch = touches.get(key) ?? { tenantId, appId, minutes: new Set<number>(), events: 0 };
      for (const minute of minutes) touch.minutes.add(minute);
      touch.events += events;
      touches.set(key, touch);
    }
  }
  for (const { block, tenantId, appId } of dropped) {
    // Of a block of which nothing was stored, nothing was counted.
    if (!isTold(block)) continue;
    const touch = touches.get(`${tenantId} ${appId}`);
    if (touch) touch.events -= 1;
  }
  return [...touches.values()].filter(({ events }) => events > 0);
}

const isTold = ({ lineVerdicts }: BatchBlock): boolean =>
  lineVerdicts.some((verdict) => verdict === verdicts.store || verdict === verdicts.present);
