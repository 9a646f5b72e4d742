import { costImportLimits, costMappingSchema } from '@tributary/schema';
import fc from 'fast-check';
import { parseCostTable } from './cost-table.ts';
import { parseCsv } from './csv.ts';

const mapping = costMappingSchema.parse({});
const csv = (text: string, given = {}) => parseCostTable(text, 'CSV', costMappingSchema.parse(given));
const json = (value: unknown, given = {}) =>
  parseCostTable(JSON.stringify(value), 'JSON', costMappingSchema.parse(given));

describe('CSV', () => {
  it('is read as RFC 4180 has it', () => {
    expect(parseCsv('\uFEFFa,b\r\n"x ""y"",\nz",2\r\n\r\n3,')).toEqual([
      { line: 1, cells: ['a', 'b'] },
      { line: 2, cells: ['x "y",\nz', '2'] },
      { line: 5, cells: ['3', ''] },
    ]);
  });

  it.each([['"never closed'], ['a"b'], ['"a"b'], ['a,"b" c']])('%j is none', (text) => {
    expect(parseCsv(text)).toBeNull();
  });

  it('comes back from what is written by the rules', () => {
    const cell = fc.string().filter((text) => text.trim() === text && !text.includes('\r'));
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 5 }), { minLength: 1 }), (table) => {
        const text = table.map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')).join('\n');
        expect(parseCsv(text)?.map(({ cells }) => cells)).toEqual(table);
      }),
    );
  });
});

describe('a cost table', () => {
  it('is read by its columns, in any order and case', () => {
    expect(csv('Currency,AMOUNT,Day,campaign_id\neur,1.50,2026-11-01,c1\n,2,2026-11-02T10:00:00Z,c1')).toEqual({
      ok: true,
      rows: [
        { campaign: 'c1', day: '2026-11-01', amount: '1.5', currency: 'EUR' },
        { campaign: 'c1', day: '2026-11-02', amount: '2', currency: null },
      ],
    });
  });

  it('is read from JSON by paths', () => {
    const document = { data: { list: [{ c: { id: 7 }, d: '20261101', spend: 1234567, cur: 'USD' }] } };
    const given = {
      rows: 'data.list',
      campaign: 'c.id',
      day: 'd',
      amount: 'spend',
      currency: 'cur',
      divideBy: 1_000_000,
    };
    expect(json(document, given)).toEqual({
      ok: true,
      rows: [{ campaign: '7', day: '2026-11-01', amount: '1.234567', currency: 'USD' }],
    });
  });

  it.each([
    ['1.23456789', 1, '1.234568'],
    ['-0.0000005', 1, '-0.000001'],
    ['999999999999999999.999999', 1, '999999999999999999.999999'],
    ['150', 100, '1.5'],
    ['1', 1_000_000, '0.000001'],
  ] as const)('holds %s / %d as %s', (amount, divideBy, wanted) => {
    const table = csv(`campaign_id,day,amount\nc,2026-11-01,${amount}`, { divideBy });
    expect(table).toMatchObject({ ok: true, rows: [{ amount: wanted }] });
  });

  it.each([
    ['no such column', 'campaign,day,amount\nc,2026-11-01,1', 'table'],
    ['no campaign', 'campaign_id,day,amount\n,2026-11-01,1', 'line 2'],
    ['no day', 'campaign_id,day,amount\nc,2026-02-30,1', 'line 2'],
    ['no amount', 'campaign_id,day,amount\nc,2026-11-01,1e5', 'line 2'],
    ['no currency', 'campaign_id,day,amount,currency\nc,2026-11-01,1,dollars', 'line 2'],
    ['nothing', '', 'table'],
  ])('with %s is refused whole', (_title, text, place) => {
    expect(csv(text)).toMatchObject({ ok: false, faults: [{ place }] });
  });

  it('is bounded', () => {
    const rows = Array.from({ length: costImportLimits.rows + 1 }, () => 'c,2026-11-01,1').join('\n');
    expect(csv(`campaign_id,day,amount\n${rows}`)).toMatchObject({ ok: false, faults: [{ place: 'table' }] });
  });

  it('of JSON without its list, or that is none, is refused', () => {
    expect(json({ data: {} }, { rows: 'data.list' })).toMatchObject({ ok: false });
    expect(json([{ __proto__: { campaign_id: 'c' } }])).toMatchObject({ ok: false });
    expect(parseCostTable('{', 'JSON', mapping)).toMatchObject({ ok: false });
  });
});
