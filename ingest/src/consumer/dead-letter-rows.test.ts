import { aBlock } from './blocks.testing.ts';
import { deadLetterOf, parseLineIdentity } from './dead-letter-rows.ts';
import { aBatch } from './steps/steps.testing.ts';

const reason = { code: 'ROW_REFUSED', field: '', message: 'no' } as const;

describe('deadLetterOf', () => {
  it('takes identity and time from the line, so that a repeat is the same row', () => {
    const block = aBlock({ receivedAt: 5, blockId: 'b', events: [{ eventId: 'a', tenantId: 'ten_b' }] });
    const line = { block: aBatch(block).blocks[0]!, index: 0 };
    const text = Buffer.from(block.body).toString('utf8').trimEnd();
    const letter = deadLetterOf(line, parseLineIdentity(text), reason);
    expect(letter).toEqual({
      tenant_id: 'ten_b',
      app_id: 'app_a',
      dead_letter_id: 'b-0',
      stage: 'consumer',
      code: 'ROW_REFUSED',
      field: '',
      message: 'no',
      source_format: 'native',
      event_id: 'a',
      received_at: 5,
      payload: text,
    });
    expect(deadLetterOf(line, parseLineIdentity(text), reason)).toEqual(letter);
  });

  it('gives a line that cannot be read to the one app of its block', () => {
    const block = aBlock({ receivedAt: 5, events: [{ eventId: 'a', line: '{broken' }] });
    const line = { block: aBatch(block).blocks[0]!, index: 0 };
    expect(parseLineIdentity('{broken')).toBeNull();
    expect(deadLetterOf(line, null, reason)).toMatchObject({ tenant_id: 'ten_a', app_id: 'app_a', payload: '{broken' });
  });

  it('holds no half of a surrogate pair, which the engine would refuse', () => {
    const block = aBlock({ receivedAt: 5, events: [{ eventId: '\ud800x' }] });
    const line = { block: aBatch(block).blocks[0]!, index: 0 };
    const identity = parseLineIdentity(Buffer.from(block.body).toString('utf8'));
    expect(deadLetterOf(line, identity, reason).event_id).toBe('\ufffdx');
  });
});
