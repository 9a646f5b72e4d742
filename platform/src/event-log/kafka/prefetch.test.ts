import type { KafkaMessage } from 'kafkajs';
import { aBlock } from '../block.testing.ts';
import { createPrefetch } from './prefetch.ts';
import { encodeRecord, headName } from './record.ts';

describe('what a Kafka reader holds in memory', () => {
  it('says that a partition is full at its share of the limit, and that it has room again at half of it', () => {
    const prefetch = createPrefetch(20_000, () => 2);
    expect(prefetch.add(0, messages(0, 5))).toBe(false);
    expect(prefetch.add(1, messages(0, 1))).toBe(false);
    expect(prefetch.add(0, messages(5, 5))).toBe(true);
    expect(prefetch.relieved()).toEqual([]);
    while (prefetch.take(1).length > 0);
    expect(prefetch.relieved()).toEqual([0]);
    expect(prefetch.relieved()).toEqual([]);
  });

  it('takes nothing when one of the records is no block of ours', () => {
    const prefetch = createPrefetch(20_000, () => 1);
    prefetch.add(0, [...messages(0, 2), { ...messages(2, 1)[0]!, headers: {} } as KafkaMessage]);
    expect(() => prefetch.take(1_000_000)).toThrow('offset 2 of partition 0');
    expect(prefetch.take(1).map(({ offset }) => offset)).toEqual([0n]);
  });
});

function messages(from: number, count: number): KafkaMessage[] {
  return Array.from({ length: count }, (_, index) => {
    const { value, key, headers } = encodeRecord(aBlock({ lineBytes: 400 }), 't');
    const [head] = headers.values();
    return {
      key,
      value,
      headers: { [headName]: head! },
      offset: String(from + index),
      timestamp: '0',
      attributes: 0,
    };
  });
}
