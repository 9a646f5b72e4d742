import { createMemoryCache } from '@tributary/platform/cache/memory';
import { type DirectoryApp, type DirectoryLink, type DirectorySnapshot, defaultIntakePolicy } from '@tributary/schema';
import {
  aDirectory,
  aKey,
  aLink,
  anApp,
  aRequest,
  aSnapshot,
  collectedFrom,
  now,
  openTestCollector,
  writeKey,
} from './collector.testing.ts';
import { type CollectorCoreDeps, type CollectorRequest, createCollectorCore } from './core.ts';
import { createEnrichment } from './enrich/enrichment.ts';
import { createRecentClicks } from './recent-clicks.ts';

const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1';
const gaid = '38400000-8cf0-11bd-b23e-10b96e40000d';
const geo = {
  find: (address: string) => (address === '203.0.113.77' ? { country: 'DE', region: null, city: null } : null),
  source: 'test',
  builtAt: new Date(0),
};

function aGet(path: string, overrides: Partial<CollectorRequest> = {}): CollectorRequest {
  const [pathname = '', query = ''] = path.split('?', 2);
  const request = aRequest('', { method: 'GET', path: pathname, query, authorization: undefined, userAgent: phone });
  return {
    ...request,
    body: new Uint8Array(),
    header: (name) => (name === 'host' ? 'go.example' : undefined),
    ...overrides,
  };
}

function openLinks(
  snapshot: Partial<DirectorySnapshot> = {},
  deps: Partial<CollectorCoreDeps> & { readonly byLikeness?: boolean } = {},
) {
  let at = now;
  const clock = { now: () => at };
  const cache = createMemoryCache({ clock });
  const recentClicks = createRecentClicks({ cache, clock, byLikeness: deps.byLikeness ?? false });
  const core = createCollectorCore({
    directory: aDirectory(aSnapshot(snapshot)),
    enrichment: createEnrichment({ geo }),
    recentClicks,
    ...deps,
  });
  return {
    pass(ms: number) {
      at += ms;
    },
    /** As the server does: the click is remembered once it is stored. */
    async get(path: string, overrides: Partial<CollectorRequest> = {}) {
      const outcome = core.handle(aGet(path, { receivedAt: at, ...overrides }));
      if (outcome.kind === 'asked') {
        const response = await outcome.answer;
        return { ...collectedFrom({ kind: 'answered', response }), body: response.body, bytes: undefined };
      }
      if (outcome.kind === 'store') outcome.onStored?.();
      await new Promise((resolve) => setImmediate(resolve));
      const { body, bytes } = outcome.response;
      return { ...collectedFrom(outcome), body, bytes };
    },
  };
}

describe('an impression', () => {
  it('is stored under an id that an install may name, and answered with one pixel', async () => {
    const { get } = openLinks();
    const { status, headers, events, bytes } = await get('/i/summer?gaid=g-1&site=s');
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'image/gif', 'no-store']);
    // The name of the format, then width and height.
    expect([...Buffer.from(bytes!).subarray(0, 10)]).toEqual([...Buffer.from('GIF89a'), 1, 0, 1, 0]);
    expect(events[0]).toMatchObject({
      event_kind: 'impression',
      event_name: 'impression',
      click_id: headers['x-click-id'],
      event_id: headers['x-click-id'],
      link_id: 'lnk_1',
      campaign_id: 'cmp_1',
      gaid: 'g-1',
      site_id: 's',
      country: 'DE',
      platform: 'ios',
    });
  });

  it('is sent byte for byte', async () => {
    const collector = await openTestCollector({ directory: aDirectory(aSnapshot({ links: [aLink()] })) });
    try {
      const response = await fetch(`${collector.url}/i/summer`);
      const bytes = Buffer.from(await response.arrayBuffer());
      expect([response.status, response.headers.get('content-length')]).toEqual([200, String(bytes.length)]);
      expect(bytes.toString('base64')).toBe('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7');
    } finally {
      await collector.dispose();
    }
  });

  it('of an unknown, expired or disabled link is refused as a click is', async () => {
    const apps = [anApp({ enabled: false })];
    expect((await openLinks().get('/i/winter')).status).toBe(404);
    expect((await openLinks({ links: [aLink({ expiresAt: now })] }).get('/i/summer')).status).toBe(410);
    expect((await openLinks({ apps }).get('/i/summer')).status).toBe(404);
    expect((await openLinks().get('/i/summer', { method: 'POST' })).status).toBe(405);
  });

  it('that a program loads is flagged', async () => {
    expect((await openLinks().get('/i/summer', { userAgent: 'Googlebot/2.1' })).events[0]!.flags).toContain('bot');
  });

  it('is no click: it opens no deep link', async () => {
    const { get } = openLinks({ links: [aLink({ deepLinkPath: '/x' })] });
    const seen = await get(`/i/summer?gaid=${gaid}`);
    const found = await get(`/v1/deferred-deep-link?click_id=${seen.headers['x-click-id']}&gaid=${gaid}`, {
      authorization: `Bearer ${writeKey}`,
    });
    expect(found.answer['deep_link_path']).toBeNull();
  });
});

describe('a click', () => {
  it('has the macros of its target filled from link, campaign, request, place and device', async () => {
    const { get } = openLinks({
      links: [
        aLink({
          targetUrl:
            'https://example.com/?c={click_id}&i={campaign_id}&n={campaign_name}&w={network}&s={site_id}&r={creative_id}&o={country}&p={platform}&u={unknown}',
        }),
      ],
      campaigns: [
        { campaignId: 'cmp_1', tenantId: 'ten_1', appId: 'app_1', partnerId: null, name: 'Summer sale', network: null },
      ],
    });
    const { headers } = await get('/c/summer?site=s1&creative_id=c1');
    expect(headers['location']).toBe(
      `https://example.com/?c=${headers['x-click-id']}&i=cmp_1&n=Summer%20sale&w=acme&s=s1&r=c1&o=DE&p=ios&u={unknown}`,
    );
  });

  it('is sent where its device and country belong', async () => {
    const targets: DirectoryLink['targets'] = [
      { platform: 'ios', country: 'DE', url: 'https://apps.apple.com/de/app/id1' },
      { platform: 'android', country: null, url: 'https://play.google.com/store/apps/details?id=com.game' },
    ];
    const { get } = openLinks({ links: [aLink({ targets })] });
    const to = async (overrides: Partial<CollectorRequest>) =>
      new URL((await get('/c/summer', overrides)).headers['location']!).host;
    expect(await to({})).toBe('apps.apple.com');
    expect(await to({ remoteAddress: '192.0.2.1' })).toBe('example.com');
    expect(await to({ userAgent: 'Mozilla/5.0 (Linux; Android 15; Pixel 9)' })).toBe('play.google.com');
    expect(await to({ userAgent: null })).toBe('example.com');
  });

  it.each([
    'url=https://evil.example',
    'target=//evil.example&redirect=https://evil.example&next=/\\evil.example',
    'site_id=https://evil.example&creative_id=//evil.example',
    'site_id=@evil.example&creative_id=.evil.example',
    'click_id=x%0d%0alocation:%20https://evil.example',
    'targetUrl=javascript:alert(1)&targets[0][url]=https://evil.example',
  ])('is sent nowhere else by a hostile query: %s', async (query) => {
    const { get } = openLinks({ links: [aLink({ targetUrl: 'https://example.com/{site_id}?r={creative_id}' })] });
    const { status, headers } = await get(`/c/summer?${query}`);
    expect([status, new URL(headers['location']!).host]).toEqual([302, 'example.com']);
    expect(headers['location']).toMatch(/^[\x21-\x7e]+$/);
  });

  it('of a link whose target would run in the page is refused', async () => {
    const { get } = openLinks({ links: [aLink({ targetUrl: 'javascript:alert(document.domain)' })] });
    expect(await get('/c/summer')).toMatchObject({ status: 404, events: [] });
  });

  it('that the owner has blocked is sent on, and not stored', async () => {
    const apps = [anApp({ intake: { ...defaultIntakePolicy, blockedEvents: ['click'] } })];
    expect(await openLinks({ apps }).get('/c/summer')).toMatchObject({ status: 302, events: [] });
  });
});

describe('a deferred deep link', () => {
  const links = [aLink({ deepLinkPath: '/sale/summer' }), aLink({ linkId: 'lnk_2', slug: 'plain' })];
  const ask = { authorization: `Bearer ${writeKey}` };
  const find = (path: string) => `/v1/deferred-deep-link?${path}`;

  it('is found by the click id', async () => {
    const { get } = openLinks({ links });
    const clicked = await get('/c/summer');
    const found = await get(find(`click_id=${clicked.headers['x-click-id']}`), ask);
    expect([found.status, found.headers['cache-control']]).toEqual([200, 'no-store']);
    expect(found.answer).toEqual({
      deep_link_path: '/sale/summer',
      click_id: clicked.headers['x-click-id'],
      link_id: 'lnk_1',
      clicked_at: now,
    });
  });

  it('is that of the device’s last click, however its id is written', async () => {
    const { get } = openLinks({ links });
    await get(`/c/summer?gaid=${gaid}`);
    expect((await get(find(`gaid=${gaid.toUpperCase()}`), ask)).answer['deep_link_path']).toBe('/sale/summer');
    await get(`/c/plain?gaid=${gaid}`);
    expect((await get(find(`gaid=${gaid}`), ask)).answer).toMatchObject({ deep_link_path: null, link_id: 'lnk_2' });
  });

  it('is found by hashed ids too', async () => {
    const apps = [anApp({ intake: { ...defaultIntakePolicy, hashDeviceIds: true } })];
    const { get } = openLinks({ links, apps });
    await get(`/c/summer?idfa=${gaid}`);
    expect((await get(find(`idfa=${gaid}`), ask)).answer['deep_link_path']).toBe('/sale/summer');
  });

  it('is none after the app’s lookback window', async () => {
    const { get, pass } = openLinks({ links, apps: [anApp({ clickLookbackHours: 24 })] });
    await get(`/c/summer?gaid=${gaid}`);
    pass(24 * 3_600_000 - 1);
    expect((await get(find(`gaid=${gaid}`), ask)).answer['deep_link_path']).toBe('/sale/summer');
    pass(2);
    expect((await get(find(`gaid=${gaid}`), ask)).answer['deep_link_path']).toBeNull();
  });

  it('is none for who names nothing, an id of zeros, or another device', async () => {
    const { get } = openLinks({ links });
    await get(`/c/summer?gaid=${gaid}`);
    for (const query of ['', 'gaid=', 'gaid=00000000-0000-0000-0000-000000000000', 'gaid=other', 'idfa=' + gaid])
      expect((await get(find(query), ask)).answer['deep_link_path']).toBeNull();
  });

  it('is not found by another app', async () => {
    const other: DirectoryApp = anApp({ appId: 'app_2', tenantId: 'ten_2' });
    const { get } = openLinks({
      links,
      apps: [anApp(), other],
      keys: [aKey(writeKey), aKey('two', { appIds: ['app_2'], tenantId: 'ten_2' })],
    });
    const clicked = await get(`/c/summer?gaid=${gaid}`);
    const query = find(`click_id=${clicked.headers['x-click-id']}&gaid=${gaid}`);
    expect((await get(query, { authorization: 'Bearer two' })).answer['deep_link_path']).toBeNull();
    expect((await get(query, ask)).answer['deep_link_path']).toBe('/sale/summer');
  });

  it('is told to holders of a key only, which may come in the query', async () => {
    const { get } = openLinks({ links });
    expect((await get(find('click_id=x'))).status).toBe(401);
    expect((await get(find('click_id=x'), { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await get(find('click_id=x'), { authorization: 'Bearer trk_api_test' })).status).toBe(401);
    expect((await get(find(`click_id=x&write_key=${writeKey}`))).status).toBe(200);
    expect((await get(find('click_id=x'), { ...ask, method: 'POST' })).status).toBe(405);
  });

  it('is not left behind by a program or by denied consent', async () => {
    const apps = [anApp({ intake: { ...defaultIntakePolicy, consentPolicy: 'require' } })];
    const { get } = openLinks({ links, apps });
    await get(`/c/summer?gaid=${gaid}`, { userAgent: 'WhatsApp/2' });
    await get(`/c/summer?gaid=${gaid}&consent=denied`);
    expect((await get(find(`gaid=${gaid}`), ask)).answer['deep_link_path']).toBeNull();
  });

  it('is not guessed from address and system unless that was asked for', async () => {
    const app = { ...ask, userAgent: 'MyGame/1 (iPhone; CPU iPhone OS 19_1 like Mac OS X)' };
    const { get } = openLinks({ links });
    await get('/c/summer');
    expect((await get(find(''), app)).answer['deep_link_path']).toBeNull();
    const guessing = openLinks({ links }, { byLikeness: true });
    await guessing.get('/c/summer');
    expect((await guessing.get(find(''), app)).answer['deep_link_path']).toBe('/sale/summer');
    expect((await guessing.get(find(''), { ...app, remoteAddress: '192.0.2.1' })).answer['deep_link_path']).toBeNull();
    guessing.pass(3_600_001);
    expect((await guessing.get(find(''), app)).answer['deep_link_path']).toBeNull();
  });

  it('is none while the cache is away, and clicks go on', async () => {
    const away = () => Promise.reject(new Error('away'));
    const clock = { now: () => now };
    const cache = { ...createMemoryCache({ clock }), get: away, set: away };
    const { get } = openLinks({ links }, { recentClicks: createRecentClicks({ cache, clock }) });
    expect((await get(`/c/summer?gaid=${gaid}`)).status).toBe(302);
    expect((await get(find(`gaid=${gaid}`), ask)).answer['deep_link_path']).toBeNull();
  });

  it('of a click that the log refused is not remembered, over the whole way', async () => {
    let isDown = true;
    const collector = await openTestCollector({
      directory: aDirectory(aSnapshot({ links })),
      wrapLog: (log) => ({
        ...log,
        append: (blocks) => (isDown ? Promise.reject(new Error('disk full')) : log.append(blocks)),
      }),
    });
    const open = () =>
      fetch(`${collector.url}/c/summer?gaid=${gaid}`, { redirect: 'manual', headers: { 'user-agent': phone } });
    const path = async () => {
      const response = await fetch(`${collector.url}${find(`gaid=${gaid}`)}`, { headers: ask });
      return ((await response.json()) as { deep_link_path: string | null }).deep_link_path;
    };
    try {
      expect([(await open()).status, await path()]).toEqual([503, null]);
      isDown = false;
      expect([(await open()).status, await path()]).toEqual([302, '/sale/summer']);
    } finally {
      await collector.dispose();
    }
  });
});

describe('the files that let apps open links', () => {
  const intake = (overrides: Partial<typeof defaultIntakePolicy>) => ({ ...defaultIntakePolicy, ...overrides });
  const apps = [
    anApp({
      intake: intake({
        iosAppIds: ['TEAM1.com.game'],
        androidApps: [{ packageName: 'com.game', sha256Fingerprints: ['ab:cd'] }],
      }),
    }),
    anApp({ appId: 'app_2', tenantId: 'ten_2', intake: intake({ iosAppIds: ['TEAM2.com.shop', 'TEAM1.com.game'] }) }),
    anApp({ appId: 'app_3', enabled: false, intake: intake({ iosAppIds: ['TEAM3.com.off'] }) }),
    anApp({ appId: 'app_4' }),
  ];

  it.each(['/.well-known/apple-app-site-association', '/apple-app-site-association'])(
    '%s names the iOS apps of all enabled apps, once',
    async (path) => {
      const { status, headers, answer } = await openLinks({ apps }).get(path);
      expect([status, headers['content-type']]).toEqual([200, 'application/json']);
      expect(answer).toEqual({
        applinks: { details: [{ appIDs: ['TEAM1.com.game', 'TEAM2.com.shop'], components: [{ '/': '/c/*' }] }] },
      });
    },
  );

  it('assetlinks.json names the Android apps with their certificates', async () => {
    const { status, answer } = await openLinks({ apps }).get('/.well-known/assetlinks.json');
    expect([status, answer]).toEqual([
      200,
      [
        {
          relation: ['delegate_permission/common.handle_all_urls'],
          target: { namespace: 'android_app', package_name: 'com.game', sha256_cert_fingerprints: ['AB:CD'] },
        },
      ],
    ]);
  });

  it('are there and empty where no app opens links', async () => {
    expect((await openLinks().get('/.well-known/apple-app-site-association')).answer).toEqual({
      applinks: { details: [] },
    });
    expect((await openLinks().get('/.well-known/assetlinks.json')).answer).toEqual([]);
  });
});

describe('a QR code', () => {
  it('is an SVG of the link at its public address', async () => {
    const publicUrl = 'https://go.acme.example/';
    const one = await openLinks({}, { publicUrl }).get('/c/summer/qr.svg');
    expect([one.status, one.headers['content-type'], one.events]).toEqual([200, 'image/svg+xml', []]);
    expect(one.body).toMatch(/^<svg [^>]*>.*<\/svg>$/s);
    const other = await openLinks({}, { publicUrl: 'https://go.other.example' }).get('/c/summer/qr.svg');
    expect(other.body).not.toBe(one.body);
  });

  it('is of the request’s own host where no public address is set, and of no host that is none', async () => {
    const header = (host: string) => ({ header: (name: string) => (name === 'host' ? host : undefined) });
    const { get } = openLinks();
    expect((await get('/c/summer/qr.svg')).status).toBe(200);
    expect((await get('/c/summer/qr.svg', header('evil"><script>'))).status).toBe(404);
    expect((await get('/c/summer/qr.svg', header(''))).status).toBe(404);
  });

  it('carries a query along, such as the place of a poster', async () => {
    const { get } = openLinks();
    expect((await get('/c/summer/qr.svg?site_id=poster')).body).not.toBe((await get('/c/summer/qr.svg')).body);
    expect((await get(`/c/summer/qr.svg?x=${'y'.repeat(10_000)}`)).status).toBe(200);
  });

  it('of no link, or an expired one, there is none', async () => {
    expect((await openLinks().get('/c/winter/qr.svg')).status).toBe(404);
    expect((await openLinks().get('/i/summer/qr.svg')).status).toBe(404);
    expect((await openLinks({ links: [aLink({ expiresAt: now })] }).get('/c/summer/qr.svg')).status).toBe(410);
  });
});
