import fc from 'fast-check';
import { aBlock } from './block.testing.ts';
import { decodeFrame, encodeFrame, receivedAtOf } from './frame.ts';

const block = fc
  .record({
    kind: fc.constantFrom('events' as const, 'dead_letters' as const),
    lines: fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { maxLength: 20 }),
    blockId: fc.string(),
    partition: fc.nat(255),
    receivedAt: fc.nat(2 ** 52),
    hash: fc.stringMatching(/^[0-9a-f]{16}$/),
    touched: fc.array(
      fc.record({ tenantId: fc.string(), appId: fc.string(), minutes: fc.array(fc.nat()), events: fc.nat() }),
    ),
  })
  .map(({ kind, lines, hash, ...header }) => {
    const encoded = lines.map((line) => Buffer.from(`${line}\n`));
    const hashes = kind === 'events' ? hash.repeat(lines.length) : '';
    return {
      header: {
        kind,
        ...header,
        count: lines.length,
        lineLengths: encoded.map((line) => line.length),
        dedupeHashes: hashes,
        payloadHashes: hashes,
      },
      body: Buffer.concat(encoded),
    };
  });

describe('the frame of a block', () => {
  it('decodes to the block that was encoded', () => {
    fc.assert(
      fc.property(block, (given) => {
        const frame = encodeFrame(given);
        expect(decodeFrame(frame)).toEqual(given);
        expect(receivedAtOf(frame)).toBe(given.header.receivedAt);
      }),
    );
  });

  it('is written before the body where there is room, and is the same', () => {
    fc.assert(
      fc.property(block, fc.nat(400), (given, headRoom) => {
        fc.pre(given.body.length > 0);
        const body = Buffer.alloc(headRoom + given.body.length).subarray(headRoom);
        body.set(given.body);
        const frame = encodeFrame({ ...given, body, headRoom });
        expect(frame.toString('hex')).toBe(encodeFrame(given).toString('hex'));
        expect(frame.buffer === body.buffer).toBe(frame.length - body.length <= headRoom);
      }),
    );
  });

  it('is refused when any byte of it changed', () => {
    const frame = encodeFrame(aBlock());
    fc.assert(
      fc.property(fc.nat(frame.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        // Bytes 2 and 3 mean nothing.
        if (at === 2 || at === 3) return;
        const damaged = Buffer.from(frame);
        damaged[at] = damaged[at]! ^ change;
        // The kind is outside the checksum; another valid one reads as that.
        if (at === 1 && damaged[at]! <= 1) return;
        expect(() => decodeFrame(damaged)).toThrow('damaged');
      }),
    );
  });

  it.each([
    ['lineLengths of another count', { lineLengths: [10] }],
    ['lineLengths of another sum', { lineLengths: [1, 1] }],
    ['a hash that is too short', { dedupeHashes: 'ab' }],
    ['a hash that is no hex', { payloadHashes: 'z'.repeat(32) }],
  ])('is not made for a block with %s', (_, header) => {
    expect(() => encodeFrame(aBlock(header))).toThrow('not whole');
  });
});
