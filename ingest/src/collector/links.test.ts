import fc from 'fast-check';
import { aLink, anApp, aRequest, aSnapshot, collect, now } from './collector.testing.ts';
import type { CollectorRequest } from './core.ts';

const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1';

function click(query = '', overrides: Partial<CollectorRequest> = {}, link = aLink(), app = anApp()) {
  const request = aRequest('', { method: 'GET', path: '/c/summer', query, authorization: undefined, userAgent: phone });
  return collect({ ...request, body: new Uint8Array(), ...overrides }, aSnapshot({ links: [link], apps: [app] }));
}

describe('a click', () => {
  it('is stored and sent to the stored target with its id', () => {
    const { status, headers, events } = click();
    const [event] = events;
    expect(status).toBe(302);
    expect(headers).toEqual({
      location: `https://example.com/get?click_id=${event!.click_id}`,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-click-id': event!.click_id,
    });
    expect(event).toMatchObject({
      source_format: 'link',
      event_name: 'click',
      event_kind: 'click',
      event_id: event!.click_id,
      anonymous_id: event!.click_id,
      link_id: 'lnk_1',
      campaign_id: 'cmp_1',
      network: 'acme',
      occurred_at: now,
      ip: '203.0.113.0',
      user_agent: phone,
      flags: ['no_client_time'],
      properties: '{}',
    });
  });

  it('notes what the query says, the rest as properties', () => {
    const { events } = click('gaid=g-1&site_id=s%201&keyword=&foo=b%C3%A4r&foo=2&campaign_id=other&__proto__=x');
    expect(events[0]).toMatchObject({ gaid: 'g-1', device_key: 'g-1', site_id: 's 1', campaign_id: 'cmp_1' });
    expect(events[0]).not.toHaveProperty('anonymous_id');
    expect(events[0]).not.toHaveProperty('keyword');
    expect(events[0]!.properties).toBe('{"foo":"2","campaign_id":"other","__proto__":"x"}');
  });

  it('knows the short names too', () => {
    expect(click('creative=c&adgroup=g&site=s').events[0]).toMatchObject({
      creative_id: 'c',
      adgroup_id: 'g',
      site_id: 's',
      properties: '{}',
    });
  });

  it('stands for itself where the phone gives an id of zeros', () => {
    const { events } = click('idfa=00000000-0000-0000-0000-000000000000');
    expect(events[0]!.device_key).toBe(events[0]!.click_id);
  });

  it('is stored whatever its query holds, and never sent where the query says', () => {
    const part = fc.tuple(
      fc.oneof(
        fc.constantFrom('gaid', 'source', 'url', 'target', 'redirect', 'click_id'),
        fc.string({ unit: 'binary' }),
      ),
      fc.oneof(fc.webUrl(), fc.string({ unit: 'binary', maxLength: 400 })),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), fc.boolean(), (parts, isRaw) => {
        const query = isRaw ? parts.map((pair) => pair.join('=')).join('&') : new URLSearchParams(parts).toString();
        const { status, headers, events } = click(query);
        expect([status, events.length]).toEqual([302, 1]);
        expect(headers['location']).toBe(`https://example.com/get?click_id=${events[0]!.click_id}`);
      }),
      { numRuns: 200 },
    );
  });

  it('is flagged where a program opens the link', () => {
    const flagsOf = (overrides: Partial<CollectorRequest>) => click('', overrides).events[0]!.flags;
    expect(flagsOf({ userAgent: 'WhatsApp/2.23' })).toEqual(['no_client_time', 'bot']);
    expect(flagsOf({ userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1)' })).toContain('bot');
    expect(flagsOf({ userAgent: null })).toContain('bot');
    expect(flagsOf({ method: 'HEAD' })).toContain('bot');
    expect(flagsOf({})).not.toContain('bot');
  });

  it('gets an id of its own each time', () => {
    const ids = [click(), click(), click()].map(({ events }) => events[0]!.event_id);
    expect(new Set(ids).size).toBe(3);
  });
});

describe('a link', () => {
  it('that nobody made is 404, an expired one 410, one of a disabled app 404', () => {
    const unknown = { status: 404, answer: { error: { code: 'LINK_UNKNOWN' } }, events: [] };
    expect(click('', { path: '/c/winter' })).toMatchObject(unknown);
    expect(click('', { path: '/c/' })).toMatchObject(unknown);
    expect(click('', { path: '/c/summer/x' })).toMatchObject(unknown);
    expect(click('', { path: '/c/constructor' })).toMatchObject(unknown);
    expect(click('', {}, aLink({ expiresAt: now }))).toMatchObject({
      status: 410,
      answer: { error: { code: 'LINK_EXPIRED' } },
      events: [],
    });
    expect(click('', {}, aLink({ expiresAt: now + 1 })).status).toBe(302);
    expect(click('', {}, aLink(), anApp({ enabled: false }))).toMatchObject({
      status: 404,
      answer: { error: { code: 'SOURCE_DISABLED' } },
      events: [],
    });
  });

  it('takes GET and HEAD only', () => {
    expect(click('', { method: 'POST' })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });
});
