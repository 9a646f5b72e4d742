import { createLatestIterator, type LatestSink } from './latest-iterator.ts';

function open(signal?: AbortSignal) {
  let sink: LatestSink<number> | undefined;
  let released = 0;
  const iterator = createLatestIterator<number>((given) => {
    sink = given;
    return () => {
      released += 1;
    };
  }, signal);
  return { iterator, sink: sink!, released: () => released };
}

describe('an iterator of the latest value', () => {
  it('gives a slow reader the latest value only', async () => {
    const { iterator, sink } = open();
    sink.push(1);
    sink.push(2);
    expect(await iterator.next()).toEqual({ done: false, value: 2 });
    const waiting = iterator.next();
    sink.push(3);
    expect(await waiting).toEqual({ done: false, value: 3 });
  });

  it('releases its source at once on return, though a next is pending', async () => {
    const { iterator, released } = open();
    const waiting = iterator.next();
    const returned = iterator.return!();
    expect(released()).toBe(1);
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await returned).toEqual({ done: true, value: undefined });
    await iterator.return!();
    expect(released()).toBe(1);
  });

  it('releases its source when the signal aborts, before or after it was opened', () => {
    const later = new AbortController();
    const opened = open(later.signal);
    later.abort();
    expect(opened.released()).toBe(1);
    expect(open(AbortSignal.abort()).released()).toBe(1);
  });

  it('rejects once with the error of its source and is done after', async () => {
    const { iterator, sink, released } = open();
    sink.fail(new Error('gone'));
    await expect(iterator.next()).rejects.toThrow('gone');
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(released()).toBe(1);
  });
});
