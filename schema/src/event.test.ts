import { readdirSync, readFileSync } from 'node:fs';
import { eventSchema } from './event.ts';

const folder = new URL('../clickhouse/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const ddl = read('0001_events.sql');
const laterFiles = readdirSync(folder).filter((name) => name.endsWith('.sql') && name > '0002');

/** Columns of the events table as it was created: name → type. */
function columnsOf(sql: string): Map<string, string> {
  const body = /CREATE TABLE IF NOT EXISTS events\s*\(([\s\S]*?)\n\s*INDEX /.exec(sql)?.[1] ?? '';
  const lines = body
    .split('\n')
    .flatMap((line) => [...line.matchAll(/^\s*(\w+) ([A-Z]\w*(?:\((?:[^()]|\([^()]*\))*\))?)/g)]);
  return new Map(lines.map(([, name = '', type = '']) => [name, type]));
}

/** What later files made of columns of a table: name → type. */
const modifiedIn = (table: string): Map<string, string> =>
  new Map(
    laterFiles
      .flatMap((name) => [...read(name).matchAll(new RegExp(`ALTER TABLE ${table}\\n([\\s\\S]*?);`, 'g'))])
      .flatMap(([, changes = '']) => [...changes.matchAll(/MODIFY COLUMN (\w+) ([A-Z]\w*(?:\([^()]*\))?)/g)])
      .map(([, name = '', type = '']) => [name, type]),
  );

const columns = new Map([...columnsOf(ddl), ...modifiedIn('events')]);
/** Made by the warehouse itself. */
const warehouseMade = ['inserted_at'];

describe('the event and its table', () => {
  it('have the same fields, save what the warehouse makes itself', () => {
    expect([...columns.keys()].sort()).toEqual([...Object.keys(eventSchema.shape), ...warehouseMade].sort());
  });

  it('agree on times, which are milliseconds in UTC', () => {
    const times = Object.keys(eventSchema.shape).filter((name) => name.endsWith('_at'));
    expect(times).toContain('occurred_at');
    for (const name of times) expect([name, columns.get(name)]).toEqual([name, "DateTime64(3, 'UTC')"]);
  });

  it('agree on hashes, whose length the schema fixes', () => {
    for (const name of ['dedupe_hash', 'payload_hash'] as const) {
      expect(eventSchema.shape[name].safeParse('0123456789abcdef').success).toBe(true);
      expect(columns.get(name)).toBe('FixedString(16)');
    }
  });

  it('keep money as a decimal and lists as arrays', () => {
    expect(columns.get('revenue_amount')).toBe('Decimal(38, 6)');
    expect(columns.get('flags')).toBe('Array(String)');
  });

  it('keep dictionaries in the order key alone, for merges look up every value of one', () => {
    const kept = [...columns].filter(([, type]) => type.includes('LowCardinality')).map(([name]) => name);
    expect(kept).toEqual(['app_id', 'event_name']);
  });

  it('have the same types in the inbox, where what is inserted is read', () => {
    expect(modifiedIn('events').size).toBeGreaterThan(10);
    const types = columnsOf(ddl);
    const changed = [...modifiedIn('events')].filter(([name, type]) => types.get(name) !== type);
    expect([...modifiedIn('events_inbox')]).toEqual(changed);
  });

  it('know no absent value but the empty one', () => {
    for (const [name, type] of columns) expect([name, type.includes('Nullable')]).toEqual([name, false]);
  });

  it('project every kind of report over fields that exist', () => {
    for (const [, keys = ''] of ddl.matchAll(/PROJECTION \w+\s*\(\s*SELECT ([\s\S]*?)GROUP BY/g)) {
      const names = keys.match(/\b[a-z][a-z_]+\b(?!\s*\()/g) ?? [];
      expect(names.length).toBeGreaterThan(5);
      for (const name of names) expect([name, columns.has(name)]).toEqual([name, true]);
    }
  });
});
