import { CodedError } from '@tributary/schema';
import { applyIpPolicy, clientAddress, createProxyCheck } from './ip.ts';

describe('applyIpPolicy', () => {
  it.each([
    ['203.0.113.77', '203.0.113.0'],
    ['::ffff:203.0.113.77', '203.0.113.0'],
    ['203.0.113.77:4711', '203.0.113.0'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'],
    ['[2001:db8:1:2::6]:443', '2001:db8:1::'],
    ['2001:db8::6', '2001:db8:0::'],
    ['fe80::1%eth0', 'fe80:0:0::'],
    ['::1', '0:0:0::'],
  ])('truncates %s to %s', (address, expected) => {
    expect(applyIpPolicy(address, 'truncate')).toBe(expected);
  });

  it('keeps or drops', () => {
    expect(applyIpPolicy('::ffff:203.0.113.77', 'keep')).toBe('203.0.113.77');
    expect(applyIpPolicy('203.0.113.77', 'drop')).toBeNull();
  });

  it.each([['unknown'], [''], ['203.0.113'], ['"; DROP'], [null]])('takes %p for no address', (address) => {
    expect(applyIpPolicy(address, 'keep')).toBeNull();
  });
});

describe('clientAddress', () => {
  const isTrusted = createProxyCheck(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

  it.each([
    ['203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['::ffff:10.0.0.1', '198.51.100.1, 10.2.2.2', '198.51.100.1'],
    ['10.0.0.1', '6.6.6.6, 198.51.100.1, 192.0.2.1', '198.51.100.1'],
    ['fd00::1', '10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['10.0.0.1', ' , ', '10.0.0.1'],
  ])('of peer %s with X-Forwarded-For %s is %s', (peer, forwarded, expected) => {
    expect(clientAddress(peer, forwarded, isTrusted)).toBe(expected);
  });

  it('believes nobody by default', () => {
    expect(clientAddress('127.0.0.1', '198.51.100.1', createProxyCheck([]))).toBe('127.0.0.1');
    expect(clientAddress(undefined, '198.51.100.1', isTrusted)).toBeNull();
  });
});

it.each([['proxy.local'], ['10.0.0.0/99'], ['10.0.0.0/x']])('refuses the proxy %p at start', (entry) => {
  expect(() => createProxyCheck([entry])).toThrow(CodedError);
});
