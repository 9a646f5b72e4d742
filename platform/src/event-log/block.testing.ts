import { type LogBlock, type LogBlockHeader, uuidV7 } from '@tributary/schema';

/** A whole block of `count` lines of about `lineBytes` bytes; overrides are laid over its header. */
export function aBlock({
  count = 2,
  lineBytes = 40,
  ...overrides
}: Partial<LogBlockHeader> & { readonly lineBytes?: number } = {}): LogBlock {
  const lines = Array.from({ length: count }, (_, index) => `{"n":${index},"pad":"${'x'.repeat(lineBytes)}"}\n`);
  const hashes = overrides.kind === 'dead_letters' ? '' : '0123456789abcdef'.repeat(count);
  return {
    header: {
      kind: 'events',
      blockId: uuidV7(Date.now()),
      partition: 0,
      count,
      lineLengths: lines.map((line) => line.length),
      dedupeHashes: hashes,
      payloadHashes: hashes,
      touched: [{ tenantId: 'ten_1', appId: 'app_1', minutes: [60_000], events: count }],
      receivedAt: 1_000,
      ...overrides,
    },
    body: Buffer.from(lines.join('')),
  };
}
