import fc from 'fast-check';
import { chooseTarget, deviceClassOf, fillTarget, isSafeTarget, type MacroValues } from './links-target.ts';

const none: MacroValues = {
  click_id: 'clk_1',
  campaign_id: null,
  campaign_name: null,
  network: null,
  country: null,
  platform: null,
  site_id: null,
  creative_id: null,
};
const all: MacroValues = {
  click_id: 'clk_1',
  campaign_id: 'cmp_1',
  campaign_name: 'Black & White',
  network: 'acme',
  country: 'DE',
  platform: 'ios',
  site_id: 's/1',
  creative_id: 'c 1',
};

describe('a target', () => {
  it.each([
    ['https://example.com/a?x=1', 'https://example.com/a?x=1&click_id=clk_1'],
    ['https://example.com/{click_id}?c={click_id}', 'https://example.com/clk_1?c=clk_1'],
    ['https://example.com/a?click_id=old', 'https://example.com/a?click_id=clk_1'],
    [
      'https://play.google.com/store/apps/details?id=com.game',
      'https://play.google.com/store/apps/details?id=com.game&referrer=click_id%3Dclk_1',
    ],
    [
      'https://play.google.com/store/apps/details?id=com.game&referrer=utm_source%3Dacme',
      'https://play.google.com/store/apps/details?id=com.game&referrer=utm_source%3Dacme%26click_id%3Dclk_1',
    ],
    ['market://details?id=com.game', 'market://details?id=com.game&referrer=click_id%3Dclk_1'],
    ['game://open?c={click_id}', 'game://open?c=clk_1'],
    ['https://bücher.example/ä?c={click_id}', 'https://xn--bcher-kva.example/%C3%A4?c=clk_1'],
    ['no url\r\nset-cookie: {click_id}', 'no%20url%0D%0Aset-cookie:%20clk_1'],
  ])('%s carries the click id: %s', (target, expected) => {
    expect(fillTarget(target, none)).toBe(expected);
  });

  it('has each of its macros filled, encoded for where it stands', () => {
    const target =
      'https://example.com/{site_id}?i={campaign_id}&n={campaign_name}&w={network}&r={creative_id}&o={country}&p={platform}&c={click_id}';
    expect(fillTarget(target, all)).toBe(
      'https://example.com/s%2F1?i=cmp_1&n=Black%20%26%20White&w=acme&r=c%201&o=DE&p=ios&c=clk_1',
    );
  });

  it('has known macros without a value emptied, unknown ones left', () => {
    expect(fillTarget('https://example.com/?n={network}&x={gps_adid}&c={click_id}', none)).toBe(
      'https://example.com/?n=&x={gps_adid}&c=clk_1',
    );
  });

  it('keeps its other macros when the click id is added', () => {
    expect(fillTarget('https://example.com/?n={network}', all)).toBe('https://example.com/?n=acme&click_id=clk_1');
  });

  it('lets no value of the request add parameters to an install referrer', () => {
    const target = 'https://play.google.com/store/apps/details?id=com.game&referrer=site%3D{site_id}';
    const filled = new URL(fillTarget(target, { ...all, site_id: 'x&click_id=stolen' }));
    const referrer = new URLSearchParams(filled.searchParams.get('referrer')!);
    expect([...referrer]).toEqual([
      ['site', 'x&click_id=stolen'],
      ['click_id', 'clk_1'],
    ]);
  });

  it.each([
    'https://{site_id}/x',
    'https://{site_id}.example.com/',
    'https://example.com{creative_id}/',
    '{site_id}',
    '//{site_id}/x',
  ])('whose host a request could choose (%s) is filled without what the request says', (target) => {
    const filled = fillTarget(target, { ...all, site_id: 'evil.example', creative_id: '@evil.example' });
    expect(filled).toBe(fillTarget(target, { ...all, site_id: null, creative_id: null }));
    expect(filled).not.toContain('evil');
  });

  it('goes to its own host whatever the request says', () => {
    const parts = fc.constantFrom(
      'https://shop.example',
      '/',
      '?',
      '#',
      '{site_id}',
      '{creative_id}',
      'a',
      '&r=',
      '@',
      ':',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 8 }), fc.string({ unit: 'binary' }), fc.webUrl(), (more, site, url) => {
        const target = `https://shop.example${more[0] === 'a' ? '' : '/'}${more.join('')}`;
        const hostOf = (values: MacroValues) => URL.parse(fillTarget(target, values))?.host;
        expect(hostOf({ ...all, site_id: site, creative_id: url })).toBe(
          hostOf({ ...all, site_id: null, creative_id: null }),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('that would run in a page is not sent to', () => {
    expect(['javascript:alert(1)', ' DATA:text/html,x', 'vbscript:x', 'file:///etc/passwd'].map(isSafeTarget)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(['https://example.com', 'market://details?id=x', 'game://open', 'itms-apps://x'].every(isSafeTarget)).toBe(
      true,
    );
  });
});

describe('targets by device and country', () => {
  const link = {
    targetUrl: 'https://example.com/all',
    targets: [
      { platform: 'ios' as const, country: 'DE', url: 'https://example.com/ios-de' },
      { platform: 'ios' as const, country: null, url: 'https://example.com/ios' },
      { platform: null, country: 'de', url: 'https://example.com/de' },
      { platform: 'desktop' as const, country: null, url: 'https://example.com/desktop' },
    ],
  };

  it.each([
    ['ios', 'DE', 'ios-de'],
    ['ios', 'FR', 'ios'],
    ['ios', null, 'ios'],
    ['android', 'DE', 'de'],
    ['desktop', 'FR', 'desktop'],
    ['desktop', 'DE', 'de'],
    ['android', 'FR', 'all'],
    [null, null, 'all'],
  ] as const)('send %s in %s to the first that fits: %s', (device, country, expected) => {
    expect(chooseTarget(link, device, country)).toBe(`https://example.com/${expected}`);
  });

  it('know desktops by their systems, and nothing of a device that tells none', () => {
    expect(['windows', 'macos', 'linux', 'chromeos'].map(deviceClassOf)).toEqual(Array(4).fill('desktop'));
    expect([deviceClassOf('ios'), deviceClassOf('tizen'), deviceClassOf(null)]).toEqual(['ios', null, null]);
  });
});
