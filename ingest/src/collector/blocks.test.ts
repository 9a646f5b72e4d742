import { type DeadLetter, hash64, hex64, type LogBlock } from '@tributary/schema';
import fc from 'fast-check';
import { buildBlocks } from './blocks.ts';
import {
  aDirectory,
  aKey,
  anApp,
  anEvent,
  aRequest,
  aSnapshot,
  deadLettersOf,
  eventsOf,
  linesOf,
  now,
  pendingOf,
} from './collector.testing.ts';
import { createCollectorCore } from './core.ts';
import type { PendingLine } from './draft.ts';
import type { Lines } from './pass-through/staged-lines.ts';

const snapshot = aSnapshot({
  apps: [anApp(), anApp({ appId: 'app_2', tenantId: 'ten_2' })],
  keys: [aKey('one'), aKey('two', { appIds: ['app_2'], tenantId: 'ten_2' })],
});
const core = createCollectorCore({ directory: aDirectory(snapshot) });

function linesFor(key: string, batch: readonly unknown[]): readonly PendingLine[] {
  const outcome = core.handle(aRequest({ batch }, { authorization: `Bearer ${key}` }));
  if (outcome.kind !== 'store' || outcome.lines.length !== batch.length) throw new Error(outcome.response.body);
  return pendingOf(outcome.lines);
}

const taken = (lines: Lines, deadLetters: readonly DeadLetter[] = []) => ({ lines, deadLetters });
const aLetter = (id: string): DeadLetter => ({
  tenant_id: 'ten_1',
  app_id: 'app_1',
  dead_letter_id: id,
  stage: 'collector',
  code: 'SCHEMA_VIOLATION',
  field: 'x',
  message: 'ä',
  source_format: 'native',
  event_id: '',
  received_at: now,
  payload: '{"a":"ü"}',
});

function expectWhole({ header, body }: LogBlock): void {
  const lines = linesOf({ header, body });
  expect(header.count).toBe(lines.length);
  expect(header.lineLengths).toEqual(lines.map((line) => Buffer.byteLength(line) + 1));
  expect(header.lineLengths.reduce((sum, length) => sum + length, 0)).toBe(body.length);
}

it('says of each line its length and both hashes, whatever its alphabet', () => {
  const texts = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      fc.array(texts, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
      (names, partitions) => {
        const batch = names.map((event_name, index) => anEvent({ event_name, event_id: `${index}` }));
        const blocks = buildBlocks([taken(linesFor('one', batch))], partitions, now, 900_000);
        expect(eventsOf(blocks)).toHaveLength(batch.length);
        for (const block of blocks) {
          expectWhole(block);
          const events = eventsOf([block]);
          expect(block.header.dedupeHashes).toBe(events.map((event) => event.dedupe_hash).join(''));
          expect(block.header.payloadHashes).toBe(events.map((event) => event.payload_hash).join(''));
          for (const [index, event] of events.entries()) {
            const hash = hash64(`app_1\u001fnative\u001f${event.event_id}`);
            expect(event).toMatchObject({
              block_index: index,
              block_id: block.header.blockId,
              dedupe_hash: hex64(hash),
            });
            expect(Number(hash % BigInt(partitions))).toBe(block.header.partition);
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});

it('keeps the lines of a partition in their order', () => {
  const batch = Array.from({ length: 50 }, (_, index) => anEvent({ event_id: `${index}` }));
  for (const block of buildBlocks([taken(linesFor('one', batch))], 4, now, 900_000)) {
    const ids = eventsOf([block]).map(({ event_id }) => Number(event_id));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  }
});

it('cuts blocks below the limit, and leaves a longer line alone in its own', () => {
  const batch = [
    ...Array.from({ length: 40 }, (_, index) => anEvent({ event_id: `${index}` })),
    anEvent({ event_id: 'long', properties: { text: 'x'.repeat(20_000) } }),
  ];
  const blocks = buildBlocks([taken(linesFor('one', batch))], 1, now, 5_000);
  expect(blocks.length).toBeGreaterThan(3);
  expect(eventsOf(blocks).map(({ event_id }) => event_id)).toEqual(batch.map(({ event_id }) => event_id));
  for (const block of blocks) {
    expectWhole(block);
    if (block.body.length > 5_000) expect(block.header.count).toBe(1);
  }
  expect(new Set(blocks.map(({ header }) => header.blockId)).size).toBe(blocks.length);
});

it('names the minutes that each app touches', () => {
  const minute = Math.floor(now / 60_000) * 60_000;
  const one = linesFor('one', [
    anEvent({ event_id: '1', occurred_at: minute - 1 }),
    anEvent({ event_id: '2', occurred_at: minute - 120_000 }),
    anEvent({ event_id: '3', occurred_at: minute - 60_000 }),
  ]);
  const two = linesFor('two', [anEvent({ event_id: '1', occurred_at: minute })]);
  const again = linesFor('one', [anEvent({ event_id: '4', occurred_at: minute })]);
  const [block] = buildBlocks([taken(one), taken(two), taken(again)], 1, now, 900_000);
  expect(block!.header.touched).toEqual([
    { tenantId: 'ten_1', appId: 'app_1', minutes: [minute - 120_000, minute - 60_000, minute], events: 4 },
    { tenantId: 'ten_2', appId: 'app_2', minutes: [minute], events: 1 },
  ]);
});

it('puts dead letters into blocks of their own', () => {
  const letters = Array.from({ length: 10 }, (_, index) => aLetter(`d${index}`));
  const blocks = buildBlocks([taken(linesFor('one', [anEvent()]), letters)], 3, now, 1_000);
  const ofLetters = blocks.filter(({ header }) => header.kind === 'dead_letters');
  expect(ofLetters.length).toBeGreaterThan(1);
  expect(deadLettersOf(blocks)).toEqual(letters);
  for (const block of ofLetters) {
    expectWhole(block);
    expect(block.body.length).toBeLessThanOrEqual(1_000);
    expect(block.header).toMatchObject({ dedupeHashes: '', payloadHashes: '', touched: [] });
    expect(block.header.partition).toBeLessThan(3);
  }
});

describe('lines of the short way', () => {
  const names = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 60 });
  /** All that blocks hold, their ids apart. */
  const seen = (blocks: readonly LogBlock[]) =>
    blocks.map(({ header, body }) => ({
      header: { ...header, blockId: '' },
      body: Buffer.from(body).toString('utf8').replaceAll(header.blockId, ''),
    }));

  it('are put into blocks as lines of the long way are', () => {
    fc.assert(
      fc.property(
        names,
        fc.constantFrom(1, 2, 7, 64, 65),
        fc.constantFrom(2_000, 9_000, 900_000),
        (texts, partitions, most) => {
          const batch = texts.map((event_name, index) =>
            anEvent({
              event_name: event_name.replace(/["\\\s\p{C}]/gu, '_'),
              event_id: `${index}`,
              occurred_at: now - index * 9_000,
            }),
          );
          const request = aRequest({ batch }, { authorization: 'Bearer one' });
          const staged = core.handle(request);
          if (staged.kind !== 'store' || !('staged' in staged.lines)) throw new Error('not taken the short way');
          const short = buildBlocks([taken(staged.lines), taken(staged.lines)], partitions, now, most);
          const lines = pendingOf(staged.lines);
          const long = buildBlocks([taken(lines), taken(lines)], partitions, now, most);
          // Where a block was too full for all of a partition's lines, a new one was begun for all of them.
          if (most === 900_000) expect(seen(short)).toEqual(seen(long));
          expect(eventsOf(short).length).toBe(eventsOf(long).length);
          for (const block of short) {
            expectWhole(block);
            expect(eventsOf([block]).map(({ block_index }) => block_index)).toEqual([
              ...Array(block.header.count).keys(),
            ]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are not to be had once the next request was taken', () => {
    const outcome = core.handle(aRequest(anEvent(), { authorization: 'Bearer one' }));
    core.handle(aRequest(anEvent(), { authorization: 'Bearer one' }));
    if (outcome.kind !== 'store') throw new Error('refused');
    expect(() => buildBlocks([taken(outcome.lines)], 1, now, 900_000)).toThrow('after the next request');
  });
});

it('makes nothing of nothing', () => {
  expect(buildBlocks([taken([])], 4, now, 900_000)).toEqual([]);
});
