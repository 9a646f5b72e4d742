import { CodedError } from '@tributary/schema';
import { engineMessageOf, insertFailureOf } from './engine-errors.ts';

const engineError = (engineCode: number, said: string) =>
  new CodedError('INTERNAL', { details: { engineCode }, cause: new Error(said) });

describe('insertFailureOf', () => {
  it.each([
    ['a row that does not parse', engineError(27, 'Cannot parse input'), 'rows'],
    ['half of a surrogate pair', engineError(25, 'Cannot parse escape sequence'), 'rows'],
    ['what the adapter knows as a refusal', new CodedError('ROW_REFUSED'), 'rows'],
    ['too little memory', engineError(241, 'Memory limit exceeded'), 'size'],
    ['too many months at once', engineError(252, 'Too many partitions for single INSERT block'), 'size'],
    ['too many parts', engineError(252, 'Too many parts (300)'), 'unknown'],
    ['a missing table', engineError(60, 'Unknown table'), 'unknown'],
    ['a broken connection', new CodedError('WAREHOUSE_UNAVAILABLE'), 'unknown'],
    ['anything else', new Error('socket hang up'), 'unknown'],
  ])('knows %s', (_, error, failure) => {
    expect(insertFailureOf(error)).toBe(failure);
  });
});

describe('engineMessageOf', () => {
  it('is one line of what the engine said', () => {
    expect(engineMessageOf(engineError(27, 'Cannot parse\nwhile executing'))).toBe('Cannot parse');
    expect(engineMessageOf(new Error('x'.repeat(900)))).toHaveLength(500);
    expect(engineMessageOf('text')).toBe('text');
  });
});
