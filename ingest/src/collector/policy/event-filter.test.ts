import { defaultIntakePolicy, type IntakePolicy } from '@tributary/schema';
import { aDirectory, anApp, anEvent, aRequest, aSnapshot, collect, writeKey } from '../collector.testing.ts';
import { createCollectorCore } from '../core.ts';
import { placeOf } from './event-filter.ts';

const snapshotWith = (intake: Partial<IntakePolicy>) =>
  aSnapshot({ apps: [anApp({ intake: { ...defaultIntakePolicy, ...intake } })] });
const devices = Array.from({ length: 4_000 }, (_, index) => `device-${index}`);
const batches = Array.from({ length: 4 }, (_, at) => devices.slice(at * 1_000, at * 1_000 + 1_000));

describe('a blocked event', () => {
  const snapshot = snapshotWith({ blockedEvents: ['debug_ping'] });

  it('is answered as accepted, counted, and not stored', () => {
    const batch = [anEvent({ event_name: 'debug_ping', event_id: 'p-1' }), anEvent({ event_id: 'e-2' })];
    const outcome = createCollectorCore({ directory: aDirectory(snapshot) }).handle(aRequest({ batch }));
    expect(outcome).toMatchObject({ kind: 'store', filtered: { blocked: 1, sampledOut: 0 } });
    const { answer, events, deadLetters } = collect(aRequest({ batch }), snapshot);
    expect(answer).toEqual({ accepted: 2, event_ids: ['p-1', 'e-2'], rejected: [] });
    expect([events.map(({ event_id }) => event_id), deadLetters]).toEqual([['e-2'], []]);
  });

  it('alone leaves nothing to store, and is success', () => {
    const { status, answer, events } = collect(aRequest(anEvent({ event_name: 'debug_ping' })), snapshot);
    expect([status, answer['success'], answer['accepted'], events]).toEqual([200, true, 1, []]);
  });

  it('is blocked in every format', () => {
    const { status, events } = collect(
      aRequest(
        { batch: [{ type: 'track', event: 'debug_ping', userId: 'u', messageId: 'm-1' }], writeKey },
        { path: '/v1/batch' },
      ),
      snapshot,
    );
    expect([status, events]).toEqual([200, []]);
  });

  it('is rejected still where it is no event', () => {
    const { answer, deadLetters } = collect(
      aRequest(anEvent({ event_name: 'debug_ping', anonymous_id: undefined })),
      snapshot,
    );
    expect([answer['accepted'], deadLetters.map(({ code }) => code)]).toEqual([0, ['SUBJECT_MISSING']]);
  });
});

describe('sampling', () => {
  const keptOf = (keep: number, eventName = 'tick') => {
    const snapshot = snapshotWith({ sampling: [{ eventName, keep }] });
    return new Set(
      batches.flatMap((ids) => {
        const batch = ids.map((id) => anEvent({ event_name: eventName, event_id: id, anonymous_id: id }));
        const { events, answer } = collect(aRequest({ batch }), snapshot);
        expect(answer['accepted']).toBe(batch.length);
        return events.map(({ device_key }) => device_key);
      }),
    );
  };

  it('keeps the share that was asked for', () => {
    // Of 4,000 devices at 0.25, three standard deviations are 82.
    expect(Math.abs(keptOf(0.25).size - 1_000)).toBeLessThan(82);
    expect([keptOf(0).size, keptOf(1).size]).toEqual([0, 4_000]);
  });

  it('is by device: in or out as a whole, alike for every event and in every process', () => {
    const one = keptOf(0.25);
    expect(keptOf(0.25, 'tock')).toEqual(one);
    const half = keptOf(0.5);
    expect([...one].every((device) => half.has(device))).toBe(true);
  });

  it('leaves other events alone', () => {
    const snapshot = snapshotWith({ sampling: [{ eventName: 'tick', keep: 0 }] });
    expect(collect(aRequest(anEvent()), snapshot).events).toHaveLength(1);
  });

  it('counts what is left out', () => {
    const directory = aDirectory(snapshotWith({ sampling: [{ eventName: 'level_complete', keep: 0 }] }));
    expect(createCollectorCore({ directory }).handle(aRequest(anEvent()))).toMatchObject({
      lines: [],
      filtered: { blocked: 0, sampledOut: 1 },
    });
  });

  it('places the devices of two apps apart', () => {
    const together = devices.filter((id) => placeOf('app_1', id) < 0.5 === placeOf('app_2', id) < 0.5).length;
    expect(Math.abs(together - 2_000)).toBeLessThan(100);
  });
});
