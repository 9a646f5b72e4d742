import { BlockList, isIP } from 'node:net';

/** Truncation keeps the /24 of IPv4 and the /48 of IPv6. Anything that is no address becomes null. */
export function applyIpPolicy(address: string | null, policy: 'keep' | 'truncate' | 'drop'): string | null {
  if (address === null || policy === 'drop') return null;
  const plain = address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
  const version = isIP(plain);
  if (version === 0) return null;
  if (policy === 'keep') return plain;
  return version === 4 ? `${plain.slice(0, plain.lastIndexOf('.'))}.0` : truncateIpv6(plain);
}

function truncateIpv6(address: string): string {
  const [left = '', right] = address.split('%')[0]!.split('::');
  const head = left === '' ? [] : left.split(':');
  const groups =
    right === undefined
      ? head
      : [
          ...head,
          ...Array<string>(Math.max(0, 8 - head.length - (right === '' ? 0 : right.split(':').length))).fill('0'),
        ];
  return `${[0, 1, 2].map((index) => groups[index] ?? '0').join(':')}::`;
}

/** Whether an address is one of the given addresses or CIDR ranges. */
export function createProxyCheck(trusted: readonly string[]): (address: string) => boolean {
  if (trusted.length === 0) return () => false;
  const list = new BlockList();
  for (const entry of trusted) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => {
    const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
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
