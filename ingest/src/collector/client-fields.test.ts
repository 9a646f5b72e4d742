import { readFileSync } from 'node:fs';
import { eventSchema, serverMadeFields } from '@tributary/schema';
import { formedFields, textFields } from './client-fields.ts';
import { anEvent, collectOne, refusalOf } from './collector.testing.ts';

describe('the list of fields', () => {
  it("gives each text field the schema's bound", () => {
    for (const [field, max] of Object.entries(textFields)) {
      const schema = eventSchema.shape[field as keyof typeof eventSchema.shape];
      expect([field, schema.safeParse('x'.repeat(max)).success]).toEqual([field, true]);
      expect([field, schema.safeParse('x'.repeat(max + 1)).success]).toEqual([field, false]);
      expect([field, schema.safeParse('').success]).toEqual([field, false]);
    }
  });

  it('covers with the server-made fields every field of an event, each once', () => {
    const fields = [...Object.keys(textFields), ...formedFields, ...serverMadeFields];
    expect([...fields].sort()).toEqual(Object.keys(eventSchema.shape).sort());
  });
});

describe('text fields', () => {
  it.each(Object.entries(textFields))('takes %s up to %i characters and refuses more', (field, max) => {
    const longest = 'x'.repeat(max);
    expect(collectOne(anEvent({ [field]: longest }))[field as keyof typeof textFields]).toBe(longest);
    expect(refusalOf(anEvent({ [field]: `${longest}x` }))).toEqual({ code: 'SCHEMA_VIOLATION', field });
  });

  it('takes whole numbers as the text of an id', () => {
    expect(collectOne(anEvent({ user_id: 4711, event_id: 12, campaign_id: -3 }))).toMatchObject({
      user_id: '4711',
      event_id: '12',
      campaign_id: '-3',
    });
  });

  it('keeps every digit of an id that a double does not hold', () => {
    const text = JSON.stringify(anEvent()).replace('"a-1"', '"a-1","user_id":12345678901234567890');
    expect(collectOne(text).user_id).toBe('12345678901234567890');
  });

  it.each([[1.5], [true], [{}], [[]]])('refuses %p', (value) => {
    expect(refusalOf(anEvent({ network: value }))).toEqual({ code: 'SCHEMA_VIOLATION', field: 'network' });
  });

  it('takes null and the empty text for absent', () => {
    const event = collectOne(anEvent({ network: null, user_id: '', country: null, environment: null, sent_at: '' }));
    for (const field of ['network', 'user_id', 'country', 'sent_at']) expect(event).not.toHaveProperty(field);
  });

  it('replaces lone surrogates, which no UTF-8 holds', () => {
    const event = collectOne(
      String.raw`{"event_name":"a\ud800b","event_id":"\udfff","anonymous_id":"\ud83d\ude00","properties":{"\ud800":"x\udc00"}}`,
    );
    expect(event).toMatchObject({ event_name: 'a\ufffdb', event_id: '\ufffd', anonymous_id: '😀' });
    expect(JSON.parse(event.properties)).toEqual({ '\ufffd': 'x\ufffd' });
  });
});

describe('event_kind', () => {
  it.each([
    ['purchase', undefined, 'purchase'],
    ['session_start', undefined, 'session'],
    ['level_complete', undefined, 'custom'],
    ['constructor', undefined, 'custom'],
    ['level_complete', 'screen', 'screen'],
  ])('of %s with kind %s is %s', (event_name, event_kind, expected) => {
    expect(collectOne(anEvent({ event_name, event_kind })).event_kind).toBe(expected);
  });

  it('is refused where it is no kind', () => {
    expect(refusalOf(anEvent({ event_kind: 'party' }))).toEqual({ code: 'SCHEMA_VIOLATION', field: 'event_kind' });
  });
});

describe('money', () => {
  it.each([
    ['4.99', '4.99'],
    [4.99, '4.99'],
    [-0.5, '-0.5'],
    ['123456789012345678.123456', '123456789012345678.123456'],
    [0, '0'],
  ])('takes the amount %p', (revenue_amount, expected) => {
    const event = collectOne(anEvent({ revenue_amount, revenue_currency: 'usd' }));
    expect(event).toMatchObject({ revenue_amount: expected, revenue_currency: 'USD' });
  });

  it('keeps the digits of an amount that a double does not hold', () => {
    const text = JSON.stringify(anEvent()).replace('"a-1"', '"a-1","revenue_amount":123456789012345678');
    expect(collectOne(text).revenue_amount).toBe('123456789012345678');
  });

  it('is refused as a number of more digits than a double holds', () => {
    const text = JSON.stringify(anEvent()).replace('"a-1"', '"a-1","revenue_amount":9007199254740.993123');
    expect(refusalOf(text)).toEqual({ code: 'SCHEMA_VIOLATION', field: 'revenue_amount' });
  });

  it("is in the app's currency where the event names none", () => {
    expect(collectOne(anEvent({ revenue_amount: '1' })).revenue_currency).toBe('EUR');
  });

  it.each([
    ['1e3'],
    [1e-7],
    [0.1234567890123456],
    ['4,99'],
    ['1.1234567'],
    ['1234567890123456789'],
    [''.padEnd(3)],
    [true],
    ['.5'],
  ])('refuses the amount %p', (revenue_amount) => {
    expect(refusalOf(anEvent({ revenue_amount }))).toEqual({ code: 'SCHEMA_VIOLATION', field: 'revenue_amount' });
  });

  it.each([['EURO'], ['E1R'], [978]])('refuses the currency %p', (revenue_currency) => {
    expect(refusalOf(anEvent({ revenue_amount: '1', revenue_currency }))).toEqual({
      code: 'SCHEMA_VIOLATION',
      field: 'revenue_currency',
    });
  });
});

it.each([
  ['country', 'DEU'],
  ['country', 49],
  ['environment', 'test'],
  ['properties', []],
  ['properties', 'x'],
])('refuses the %s %p', (field, value) => {
  expect(refusalOf(anEvent({ [field]: value }))).toEqual({ code: 'SCHEMA_VIOLATION', field });
});

it('writes the country in capitals', () => {
  expect(collectOne(anEvent({ country: 'de', environment: 'sandbox' }))).toMatchObject({
    country: 'DE',
    environment: 'sandbox',
  });
});

describe('docs/formats/native.md', () => {
  const page = readFileSync(new URL('../../../docs/formats/native.md', import.meta.url), 'utf8');

  it('names every text field with its bound, and every other field', () => {
    for (const [field, max] of Object.entries(textFields)) expect(page).toContain(`\`${field}\` | ${max} |`);
    for (const field of formedFields) expect(page).toMatch(new RegExp(`^\\| .*\`${field}\`.* \\|`, 'm'));
  });

  it('names what is dropped', () => {
    const dropped = page.split('\n').find((line) => line.startsWith('- Dropped'));
    for (const field of serverMadeFields) if (field !== 'app_id') expect(dropped).toContain(`\`${field}\``);
  });
});
