import { defaultIntakePolicy, type IntakePolicy } from '@tributary/schema';
import {
  aDirectory,
  aKey,
  aLink,
  anApp,
  anEvent,
  aRequest,
  aSnapshot,
  collect,
  now,
  writeKey,
} from '../collector.testing.ts';
import { type CollectorRequest, createCollectorCore } from '../core.ts';
import { compilePolicy, policyOf } from './app-policy.ts';

const snapshotWith = (intake: Partial<IntakePolicy>) =>
  aSnapshot({ apps: [anApp({ intake: { ...defaultIntakePolicy, ...intake } })] });
const outcomeOf = (intake: Partial<IntakePolicy>, overrides: Partial<CollectorRequest>, body: unknown = anEvent()) => {
  const { status, answer } = collect(aRequest(body, overrides), snapshotWith(intake));
  return status === 200 ? 'taken' : `${status} ${(answer['error'] as { code: string }).code}`;
};
const refused = '403 REQUEST_BLOCKED';

describe('blocked addresses', () => {
  it.each([
    ['203.0.113.77', refused],
    ['203.0.113.0/24', refused],
    ['203.0.0.0/8', refused],
    ['203.0.114.0/24', 'taken'],
    ['2001:db8::/32', 'taken'],
  ])('%s: a request from 203.0.113.77 is %s', (entry, expected) => {
    expect(outcomeOf({ blockedIps: [entry] }, {})).toBe(expected);
  });

  it.each([
    ['2001:db8::1', refused],
    ['::ffff:10.1.2.3', refused],
    ['10.1.2.3:5555', refused],
    ['2001:db9::1', 'taken'],
    ['no address', 'taken'],
  ])('are known in the form that sockets and proxies give: %s is %s', (remoteAddress, expected) => {
    expect(outcomeOf({ blockedIps: ['2001:db8::/32', '10.0.0.0/8'] }, { remoteAddress })).toBe(expected);
  });

  it('that are no addresses are named and skipped; the others hold', () => {
    const { faults, refuses } = compilePolicy('app_1', {
      ...defaultIntakePolicy,
      blockedIps: ['10.0.0.0/33', 'localhost', '', '1.2.3.4/a', '10.0.0.0/8/8', '198.51.100.1'],
    });
    expect(faults).toHaveLength(5);
    const request = { userAgent: null, header: () => undefined };
    expect(refuses({ ...request, remoteAddress: '198.51.100.1' })).toBe(true);
    expect(refuses({ ...request, remoteAddress: '10.0.0.1' })).toBe(false);
    expect(refuses({ ...request, remoteAddress: null })).toBe(false);
  });
});

describe('blocked user agents', () => {
  it.each([
    ['scrapy', 'Scrapy/2.11 (+https://scrapy.org)', refused],
    ['PYTHON-REQUESTS', 'python-requests/2.31', refused],
    ['a.c', 'abc/1', 'taken'],
    ['(x|y)*', 'x', 'taken'],
    ['C++ [x]', 'Agent C++ [x]', refused],
    ['', 'anything', 'taken'],
  ])('%s: %s is %s, and no text is a pattern', (text, userAgent, expected) => {
    expect(outcomeOf({ blockedUserAgents: [text] }, { userAgent })).toBe(expected);
  });

  it('leave a request without one alone', () => {
    expect(outcomeOf({ blockedUserAgents: ['bot'] }, { userAgent: null })).toBe('taken');
  });
});

describe('web origins', () => {
  const from = (origin: string | undefined) => ({ header: (name: string) => (name === 'origin' ? origin : undefined) });

  it.each([
    ['https://shop.example', 'taken'],
    ['HTTPS://Shop.Example', 'taken'],
    ['https://evil.example', refused],
    ['http://shop.example', refused],
    ['https://shop.example.evil.example', refused],
    ['null', refused],
    [undefined, 'taken'],
  ])('where some are named, a request from %s is %s', (origin, expected) => {
    expect(outcomeOf({ webOrigins: ['https://shop.example/'] }, from(origin))).toBe(expected);
  });

  it('do not keep links from being opened from anywhere', () => {
    const snapshot = { ...snapshotWith({ webOrigins: ['https://shop.example'] }), links: [aLink()] };
    const open = (path: string, origin: string) =>
      collect(aRequest('', { method: 'GET', path, authorization: undefined, ...from(origin) }), snapshot).status;
    expect([open('/c/summer', 'https://news.example'), open('/i/summer', 'https://news.example')]).toEqual([302, 200]);
  });

  it('where none is named, any may send', () => {
    expect(outcomeOf({}, from('https://any.example'))).toBe('taken');
  });
});

describe('a refused request', () => {
  const blocked = { blockedUserAgents: ['bad'] };

  it('is refused before its body is looked at where a header holds the key', () => {
    expect(outcomeOf(blocked, { userAgent: 'bad' }, '{ no json')).toBe(refused);
  });

  it('is refused where the key is in the body too', () => {
    const body = { ...anEvent(), write_key: writeKey };
    expect(outcomeOf(blocked, { userAgent: 'bad', authorization: undefined }, body)).toBe(refused);
  });

  it('does not tell a stranger without a key that there is a blocklist', () => {
    expect(outcomeOf(blocked, { userAgent: 'bad', authorization: 'Bearer wrong' })).toBe('401 UNAUTHENTICATED');
  });

  it('is refused as a click too, and no click is stored', () => {
    const request = aRequest('', { method: 'GET', path: '/c/summer', userAgent: 'bad', authorization: undefined });
    const { status, events } = collect(request, { ...snapshotWith(blocked), links: [aLink()] });
    expect([status, events]).toEqual([403, []]);
  });
});

it('is compiled once for an app of a snapshot, anew when the directory says something else', () => {
  const app = anApp({ intake: { ...defaultIntakePolicy, blockedUserAgents: ['a'] } });
  expect(policyOf(app)).toBe(policyOf(app));
  let snapshot = snapshotWith({});
  const core = createCollectorCore({ directory: { ...aDirectory(), current: () => snapshot } });
  const statusOf = () => core.handle(aRequest(anEvent(), { userAgent: 'bad' })).response.status;
  expect(statusOf()).toBe(200);
  snapshot = { ...snapshotWith({ blockedUserAgents: ['bad'] }), version: 2 };
  expect(statusOf()).toBe(403);
});

describe('a key that was revoked', () => {
  it('is refused from the first request after the directory has changed, and taken before', () => {
    let snapshot = aSnapshot();
    const core = createCollectorCore({ directory: { ...aDirectory(), current: () => snapshot } });
    const statusOf = (overrides: Partial<CollectorRequest> = {}) =>
      core.handle(aRequest({ ...anEvent(), write_key: writeKey }, overrides)).response.status;
    expect([statusOf(), statusOf({ authorization: undefined })]).toEqual([200, 200]);
    snapshot = aSnapshot({ version: 2, publishedAt: now + 1, keys: [aKey(writeKey, { enabled: false })] });
    expect([statusOf(), statusOf({ authorization: undefined })]).toEqual([401, 401]);
    snapshot = aSnapshot({ version: 3, keys: [] });
    expect(statusOf()).toBe(401);
    snapshot = aSnapshot({ version: 4 });
    expect(statusOf()).toBe(200);
  });
});
