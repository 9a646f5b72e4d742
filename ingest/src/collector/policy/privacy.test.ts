import { defaultIntakePolicy, type IntakePolicy } from '@tributary/schema';
import { aLink, anApp, anEvent, aRequest, aSnapshot, collect } from '../collector.testing.ts';
import type { CollectorRequest } from '../core.ts';
import { hashDeviceId } from '../enrich/device-id-hash.ts';
import { createEnrichment } from '../enrich/enrichment.ts';
import { deniesConsent } from './consent.ts';

const enrichment = createEnrichment({ idSecret: 'secret' });
const take = (intake: Partial<IntakePolicy>, event: unknown, overrides: Partial<CollectorRequest> = {}) =>
  collect(
    aRequest(event, { userAgent: 'okhttp/4', ...overrides }),
    aSnapshot({ apps: [anApp({ intake: { ...defaultIntakePolicy, ...intake } })], links: [aLink()] }),
    { enrichment },
  );
const gaid = '38400000-8cf0-11bd-b23e-10b96e40000d';
const hashOf = (id: string, appId = 'app_1') => hashDeviceId('secret', appId, id);

describe('consent', () => {
  it.each(['denied', 'Denied', 'declined', 'opt-out', 'OPTED_OUT', 'false', 'no', 'restricted', 'ad_storage=denied'])(
    'denies as %s',
    (text) => {
      expect(deniesConsent(text)).toBe(true);
    },
  );

  it.each([
    'granted',
    'yes',
    'true',
    'authorized',
    'undetermined',
    'CPzHq4APzHq4AAMACBENAaEAAAAAAAAAAAAAAAAA',
    '',
    undefined,
  ])('does not deny as %s', (text) => {
    expect(deniesConsent(text)).toBe(false);
  });

  const denied = anEvent({ consent: 'denied', gaid, android_id: 'a1b2', user_id: 'u-1', user_agent: 'Own/1' });

  it('that is denied takes device ids, address and user agent from an event where it is required', () => {
    const { events } = take({ consentPolicy: 'require' }, denied);
    expect(events[0]).toMatchObject({
      anonymous_id: 'a-1',
      user_id: 'u-1',
      device_key: 'a-1',
      consent: 'denied',
      flags: ['consent_denied'],
    });
    for (const field of ['gaid', 'android_id', 'idfa', 'idfv', 'ip', 'user_agent']) {
      expect(events[0]).not.toHaveProperty(field);
    }
  });

  it('is only recorded by default', () => {
    expect(take({}, denied).events[0]).toMatchObject({ gaid, ip: '203.0.113.0', user_agent: 'Own/1', flags: [] });
  });

  it('that is granted, or not told, changes nothing', () => {
    for (const consent of ['granted', undefined]) {
      const { events } = take({ consentPolicy: 'require' }, anEvent({ consent, gaid }));
      expect(events[0]).toMatchObject({ gaid, ip: '203.0.113.0', user_agent: 'okhttp/4', flags: [] });
    }
  });

  it('that is denied leaves an event that only a device id names standing for itself', () => {
    const event = anEvent({ consent: 'denied', anonymous_id: undefined, gaid, event_id: 'e-9' });
    expect(take({ consentPolicy: 'require' }, event).events[0]!.device_key).toBe('e-9');
  });

  it('that is denied takes a device id where it stands for the person too', () => {
    const event = anEvent({ consent: 'denied', anonymous_id: gaid, gaid, event_id: 'e-9' });
    const { events } = take({ consentPolicy: 'require' }, event);
    expect(events[0]!.device_key).toBe('e-9');
    expect(JSON.stringify(events)).not.toContain(gaid);
  });

  it('does not make an event of what names nobody', () => {
    const event = anEvent({ consent: 'denied', anonymous_id: undefined });
    expect(take({ consentPolicy: 'require' }, event).deadLetters[0]!.code).toBe('SUBJECT_MISSING');
  });

  it('that is denied is kept out of dead letters too', () => {
    const event = anEvent({ consent: 'denied', gaid, event_name: '', properties: { copy: gaid } });
    const [letter] = take({ consentPolicy: 'require' }, event).deadLetters;
    expect(letter!.payload).not.toContain(gaid);
  });

  it('of a click is heeded', () => {
    const click = { method: 'GET', path: '/c/summer', query: `gaid=${gaid}&consent=denied`, authorization: undefined };
    const { events, status } = take({ consentPolicy: 'require' }, '', click);
    expect([status, events[0]!.gaid, events[0]!.ip]).toEqual([302, undefined, undefined]);
    expect(events[0]!.flags).toContain('consent_denied');
  });
});

describe('hashed device ids', () => {
  const hashing = { hashDeviceIds: true };

  it('are stored in place of the ids, with a flag, and tie the events of a device together', () => {
    const { events } = take(hashing, anEvent({ anonymous_id: undefined, gaid, idfv: 'V-1', user_id: 'u-1' }));
    expect(events[0]).toMatchObject({
      gaid: hashOf(gaid),
      idfv: hashOf('V-1'),
      device_key: hashOf('V-1'),
      user_id: 'u-1',
      flags: ['ids_hashed'],
    });
    expect(JSON.stringify(events)).not.toContain(gaid);
  });

  it('are equal for a click and an install of one app, however the id is written', () => {
    const click = { method: 'GET', path: '/c/summer', query: `gaid=${gaid}`, authorization: undefined };
    const [clicked] = take(hashing, '', click).events;
    const [installed] = take(hashing, anEvent({ event_name: 'install', gaid: gaid.toUpperCase() })).events;
    expect([clicked!.event_kind, installed!.event_kind]).toEqual(['click', 'install']);
    expect(clicked!.gaid).toBe(installed!.gaid);
  });

  it('stand for the person too where an app names people so', () => {
    const { events } = take(hashing, anEvent({ anonymous_id: gaid, gaid }));
    expect(events[0]).toMatchObject({ anonymous_id: hashOf(gaid), device_key: hashOf(gaid), gaid: hashOf(gaid) });
    expect(JSON.stringify(events)).not.toContain(gaid);
  });

  it('of two apps, and of two installations, have nothing in common', () => {
    expect(hashOf(gaid, 'app_2')).not.toBe(hashOf(gaid));
    expect(hashDeviceId('other', 'app_1', gaid)).not.toBe(hashOf(gaid));
  });

  it('are no ids where the phone gives none', () => {
    const { events } = take(hashing, anEvent({ idfa: '00000000-0000-0000-0000-000000000000' }));
    expect([events[0]!.idfa, events[0]!.flags]).toEqual([undefined, []]);
  });

  it('stay what they are when they are sent again', () => {
    const [letter] = take(hashing, anEvent({ gaid, event_name: '' })).deadLetters;
    expect(letter!.payload).toContain(hashOf(gaid));
    expect(letter!.payload).not.toContain(gaid);
    const mended = { ...(JSON.parse(letter!.payload) as object), event_name: 'mended' };
    expect(take(hashing, mended).events[0]!.gaid).toBe(hashOf(gaid));
  });

  it('do not hide an id that is too long or of another type', () => {
    for (const bad of ['x'.repeat(65), { a: 1 }]) {
      expect(take(hashing, anEvent({ gaid: bad })).deadLetters[0]).toMatchObject({
        code: 'SCHEMA_VIOLATION',
        field: 'gaid',
      });
    }
  });

  it('give a repeat the same payload hash', () => {
    const [one, again] = [0, 1].map(() => take(hashing, anEvent({ gaid })).events[0]!);
    expect(one!.payload_hash).toBe(again!.payload_hash);
  });
});
