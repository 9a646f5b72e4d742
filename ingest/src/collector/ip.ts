import { BlockList, isIP } from 'node:net';
import { CodedError } from '@tributary/schema';

/** Truncation keeps the /24 of IPv4 and the /48 of IPv6. Anything that is no address becomes null. */
export function applyIpPolicy(address: string | null, policy: 'keep' | 'truncate' | 'drop'): string | null {
  if (address === null || policy === 'drop') return null;
  const plain = plainAddress(address);
  const version = isIP(plain);
  if (version === 0) return null;
  if (policy === 'keep') return plain;
  return version === 4 ? `${plain.slice(0, plain.lastIndexOf('.'))}.0` : truncateIpv6(plain);
}

/** Without port, brackets, zone and the prefix of IPv4 in IPv6: what load balancers and dual-stack sockets add. */
export function plainAddress(address: string): string {
  let plain = address;
  if (plain.startsWith('[')) plain = plain.slice(1, plain.includes(']') ? plain.indexOf(']') : undefined);
  else if (/^[\d.]+:\d+$/.test(plain)) plain = plain.slice(0, plain.indexOf(':'));
  if (plain.includes('%')) plain = plain.slice(0, plain.indexOf('%'));
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(plain) ? plain.slice(7) : plain;
}

function truncateIpv6(address: string): string {
  const [left = '', right] = address.split('::');
  const groups = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    const after = right === '' ? [] : right.split(':');
    while (groups.length < 8 - after.length) groups.push('0');
    groups.push(...after);
  }
  return `${groups.slice(0, 3).join(':')}::`;
}

/** Whether an address is one of the given addresses or CIDR ranges. Throws CONFIG_INVALID when one of them is neither. */
export function createProxyCheck(trusted: readonly string[]): (address: string) => boolean {
  return trusted.length === 0 ? () => false : createRangeCheck(trusted);
}

/** As createProxyCheck; `setting` is what a fault names. */
export function createRangeCheck(
  ranges: readonly string[],
  setting = 'TRIBUTARY_TRUSTED_PROXIES',
): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of ranges) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    try {
      if (prefix === undefined) list.addAddress(address, family);
      else list.addSubnet(address, Number(prefix), family);
    } catch (cause) {
      throw new CodedError('CONFIG_INVALID', {
        message: `${setting}: ${entry} is neither an address nor a CIDR range.`,
        cause,
      });
    }
  }
  return (address) => {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  };
}

/** The client's address: the last of X-Forwarded-For that no trusted proxy wrote, read only if the peer is trusted. */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  isTrusted: (address: string) => boolean,
): string | null {
  if (peer === undefined) return null;
  if (forwardedFor === undefined || !isTrusted(peer)) return peer;
  const chain = forwardedFor
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  for (let index = chain.length - 1; index >= 0; index -= 1) if (!isTrusted(chain[index]!)) return chain[index]!;
  return chain[0] ?? peer;
}
