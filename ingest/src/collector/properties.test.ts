import fc from 'fast-check';
import { anEvent, collectOne, refusalOf } from './collector.testing.ts';

const propertiesOf = (event: unknown): unknown => JSON.parse(collectOne(event).properties);

/** `{"a":{"a":…1}}` with so many objects. */
const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('properties', () => {
  it('come back as they were sent', () => {
    const json = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' }));
    fc.assert(
      fc.property(json, (properties) => {
        // Through the text once: −0 is 0 there.
        const sent = JSON.parse(JSON.stringify(properties)) as unknown;
        expect(propertiesOf(anEvent({ properties }))).toEqual(sent);
      }),
      { numRuns: 300 },
    );
  });

  it('keep a field named __proto__', () => {
    const text = '{"event_name":"x","user_id":"u","properties":{"__proto__":{"a":1},"constructor":2}}';
    expect(collectOne(text).properties).toBe('{"__proto__":{"a":1},"constructor":2}');
  });

  it('keep whole numbers that a double does not hold, and numbers beyond it', () => {
    const text =
      '{"event_name":"x","user_id":"u","properties":{"id":12345678901234567890,"big":1e400,"n":[9007199254740993]}}';
    expect(collectOne(text).properties).toBe('{"id":12345678901234567890,"big":1e400,"n":[9007199254740993]}');
  });

  it('take in the fields that have no home', () => {
    expect(propertiesOf(anEvent({ mood: 'good', tags: ['a', null], properties: { level: 3 } }))).toEqual({
      level: 3,
      mood: 'good',
      tags: ['a', null],
    });
  });

  it('never lose a field over a name that is taken', () => {
    const event = anEvent({ a: 1, _a: 2, __a: 3, properties: { a: 4 } });
    expect(Object.values(propertiesOf(event) as object).sort()).toEqual([1, 2, 3, 4]);
    expect(collectOne(event).properties).toBe('{"a":4,"_a":1,"__a":2,"___a":3}');
  });

  it('keep a homeless field named __proto__', () => {
    const text = '{"event_name":"x","user_id":"u","__proto__":{"event_name":"y"}}';
    expect(collectOne(text)).toMatchObject({ event_name: 'x', properties: '{"__proto__":{"event_name":"y"}}' });
  });

  it('are {} where there are none', () => {
    expect(collectOne(anEvent({ properties: undefined })).properties).toBe('{}');
    expect(collectOne(anEvent({ properties: {} })).properties).toBe('{}');
  });

  it('may nest 32 deep, not more, and a stack is never exhausted', () => {
    const event = (properties: string) => `{"event_name":"x","user_id":"u","properties":${properties}}`;
    expect(collectOne(event(nested(32))).properties).toBe(nested(32));
    expect(refusalOf(event(nested(33)))).toEqual({ code: 'SCHEMA_VIOLATION', field: 'properties' });
    expect(refusalOf(event(nested(100_000)))).toEqual({ code: 'SCHEMA_VIOLATION', field: 'properties' });
    expect(refusalOf(`{"event_name":"x","user_id":"u","deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).toEqual({
      code: 'SCHEMA_VIOLATION',
      field: 'properties',
    });
  });

  it('are bounded as the schema bounds them', () => {
    const long = (chars: number) => anEvent({ properties: { a: 'x'.repeat(chars) } });
    expect(collectOne(long(1_000_000 - '{"a":""}'.length)).properties).toHaveLength(1_000_000);
    expect(refusalOf(long(1_000_001 - '{"a":""}'.length))).toEqual({ code: 'SIZE_VIOLATION', field: 'properties' });
  });
});
