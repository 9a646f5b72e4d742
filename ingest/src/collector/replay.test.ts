import type { EventLog } from '@tributary/platform/event-log';
import {
  type CanonicalEvent,
  CodedError,
  defaultIntakePolicy,
  type LogBlock,
  parseEventLine,
  type SourceFormat,
} from '@tributary/schema';
import { aDirectory, anApp, anEvent, aRequest, aSnapshot, collect, now } from './collector.testing.ts';
import { createReplayer } from './replay.ts';

const stored: LogBlock[] = [];
let fault: CodedError | null = null;
const eventLog: Pick<EventLog, 'append' | 'partitionCount'> = {
  partitionCount: 4,
  append: async (blocks) => {
    if (fault) throw fault;
    stored.push(...blocks);
  },
};
const events = (): CanonicalEvent[] =>
  stored.flatMap(({ body }) => Buffer.from(body).toString('utf8').split('\n').filter(Boolean).map(parseEventLine));
const replay = (payload: unknown, sourceFormat: string = 'native', overrides: object = {}, snapshot = aSnapshot()) => {
  const replayer = createReplayer({ eventLog, directory: aDirectory(snapshot), clock: { now: () => now } });
  return replayer
    .replay({
      tenantId: 'ten_1',
      appId: 'app_1',
      sourceFormat,
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
      fallbackEventId: 'dead-letter-1',
      ...overrides,
    })
    .finally(() => replayer.dispose());
};

beforeEach(() => {
  stored.length = 0;
  fault = null;
});

describe('a replay', () => {
  it('of a mended event stores it under its own id', async () => {
    expect(await replay(anEvent({ event_id: 'mine' }))).toEqual({ status: 'accepted', code: null });
    expect(events()).toEqual([expect.objectContaining({ event_id: 'mine', source_format: 'native', app_id: 'app_1' })]);
  });

  it('of an event without an id gives it that of the dead letter, so that repeating it makes no second event', async () => {
    const { event_id: _, ...event } = anEvent();
    await replay(event);
    await replay(event);
    const [first, second] = events();
    expect(first!.event_id).toBe('dead-letter-1');
    expect(second!.dedupe_hash).toBe(first!.dedupe_hash);
    expect(second!.payload_hash).toBe(first!.payload_hash);
  });

  it('of an event that is still wrong says why and stores nothing', async () => {
    expect(await replay({ anonymous_id: 'a' })).toEqual({ status: 'rejected', code: 'EVENT_NAME_MISSING' });
    expect(await replay('{"event_name":')).toEqual({ status: 'rejected', code: 'BODY_UNPARSABLE' });
    expect(stored).toEqual([]);
  });

  it('may bring what is older than a write key may send', async () => {
    expect(await replay(anEvent({ occurred_at: now - 90 * 86_400_000 }))).toMatchObject({ status: 'accepted' });
  });

  it('into an app of another tenant is refused', async () => {
    expect(await replay(anEvent(), 'native', { tenantId: 'ten_2' })).toEqual({
      status: 'rejected',
      code: 'UNKNOWN_APP',
    });
  });

  it('is not accepted before the log has it', async () => {
    fault = new CodedError('LOG_UNAVAILABLE');
    await expect(replay(anEvent())).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  it('of a canonical line that the warehouse refused keeps every field, its properties and its wire format', async () => {
    const [line] = collect(aRequest(anEvent({ properties: { deep: { list: [1, 'two'] } }, country: 'DE' }))).events;
    await replay(line, 'segment');
    expect(events()[0]).toMatchObject({
      source_format: 'segment',
      event_id: line!.event_id,
      occurred_at: line!.occurred_at,
      properties: line!.properties,
      country: 'DE',
    });
  });

  it('of a line whose device ids are hashes does not hash them again', async () => {
    const snapshot = aSnapshot({ apps: [anApp({ intake: { ...defaultIntakePolicy, hashDeviceIds: true } })] });
    const [line] = collect(aRequest(anEvent({ gaid: '38400000-8cf0-11bd-b23e-10b96e40000d' })), snapshot).events;
    expect(line!.flags).toContain('ids_hashed');
    await replay(line, 'native', {}, snapshot);
    expect(events()[0]!.gaid).toBe(line!.gaid);
  });

  const oneOfEach: readonly (readonly [SourceFormat, Record<string, unknown>, string])[] = [
    ['segment', { type: 'track', event: 'Level Up', anonymousId: 'a' }, 'Level Up'],
    ['rudderstack', { type: 'track', event: 'Level Up', anonymousId: 'a', channel: 'server' }, 'Level Up'],
    ['posthog', { event: 'Level Up', distinct_id: 'a', properties: {} }, 'Level Up'],
    ['amplitude', { event_type: 'Level Up', user_id: 'someone' }, 'Level Up'],
    ['mixpanel', { event: 'Level Up', properties: { distinct_id: 'a' } }, 'Level Up'],
    ['snowplow', { e: 'se', se_ca: 'game', se_ac: 'Level Up', duid: 'a', p: 'mob' }, 'Level Up'],
    ['jitsu', { type: 'track', event: 'Level Up', anonymousId: 'a' }, 'Level Up'],
    ['openpanel', { type: 'track', payload: { name: 'Level Up', profileId: 'a' } }, 'Level Up'],
    ['appsflyer', { eventName: 'Level Up', appsflyer_id: '1-2', eventTime: '2026-11-24 11:00:00.000' }, 'Level Up'],
    ['adjust', { event_token: 'abc123', adid: 'a', created_at_unix: String(now / 1000 - 60) }, 'abc123'],
  ];
  it.each(oneOfEach)('reads a dead letter of the %s format as that SDK’s event', async (format, event, name) => {
    expect(await replay(event, format)).toEqual({ status: 'accepted', code: null });
    expect(events()).toEqual([expect.objectContaining({ source_format: format, event_name: name })]);
  });

  it('of a click, or of a format that is unknown, is refused', async () => {
    expect(await replay({}, 'link')).toEqual({ status: 'rejected', code: 'NOT_FOUND' });
    expect(await replay({}, 'telegraph')).toEqual({ status: 'rejected', code: 'NOT_FOUND' });
  });
});
