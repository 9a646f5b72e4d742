import { type CostMapping, costImportLimits, trimDecimal } from '@tributary/schema';
import { parseCsv } from './csv.ts';

/** A row of costs as its source has it. */
export interface CostTableRow {
  /** Id or name of the campaign, as the mapping says. */
  readonly campaign: string;
  /** `YYYY-MM-DD` */
  readonly day: string;
  /** Plain decimal text with up to 6 decimals. */
  readonly amount: string;
  /** ISO 4217; null = the app's. */
  readonly currency: string | null;
}

export interface CostTableFault {
  /** Where: `line 3`, `row 3` or `table`. */
  readonly place: string;
  readonly message: string;
}

export type CostTable =
  | { readonly ok: true; readonly rows: readonly CostTableRow[] }
  /** The first 20 faults; nothing is taken of a table with any. */
  | { readonly ok: false; readonly faults: readonly CostTableFault[] };

const shownFaults = 20;

type Read = (column: string) => string | null;

/** Reads a cost table by its mapping: all of it or, with a fault anywhere, nothing. */
export function parseCostTable(text: string, format: 'CSV' | 'JSON', mapping: CostMapping): CostTable {
  const source = format === 'CSV' ? csvRows(text, mapping) : jsonRows(text, mapping);
  if ('fault' in source) return { ok: false, faults: [{ place: 'table', message: source.fault }] };
  if (source.rows.length > costImportLimits.rows) {
    return { ok: false, faults: [{ place: 'table', message: `over ${costImportLimits.rows} rows` }] };
  }
  const rows: CostTableRow[] = [];
  const faults: CostTableFault[] = [];
  for (const { place, read } of source.rows) {
    const row = readRow(read, mapping);
    if (typeof row !== 'string') rows.push(row);
    else if (faults.push({ place, message: row }) >= shownFaults) break;
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, rows };
}

interface PlacedRow {
  readonly place: string;
  readonly read: Read;
}

type Source = { readonly rows: readonly PlacedRow[] } | { readonly fault: string };

function csvRows(text: string, mapping: CostMapping): Source {
  const table = parseCsv(text, mapping.separator);
  const [head, ...rows] = table ?? [];
  if (!table || !head) return { fault: table ? 'the table is empty' : 'a quote is not closed, or stands amid a cell' };
  const places = new Map(head.cells.map((name, place) => [name.trim().toLowerCase(), place]));
  const wanted = [
    mapping.campaign,
    mapping.day,
    mapping.amount,
    ...(mapping.currency === null ? [] : [mapping.currency]),
  ];
  // A currency column may be absent where there is a fixed currency, or the app's is meant.
  const missing = wanted.filter((name) => name !== mapping.currency && !places.has(name.toLowerCase()));
  if (missing.length > 0) return { fault: `there is no column ${missing.join(', ')}` };
  return {
    rows: rows.map(({ line, cells }) => ({
      place: `line ${line}`,
      read: (column) => cells[places.get(column.toLowerCase()) ?? -1]?.trim() ?? null,
    })),
  };
}

function jsonRows(text: string, mapping: CostMapping): Source {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { fault: 'is no JSON' };
  }
  const rows = atPath(document, mapping.rows);
  if (!Array.isArray(rows)) return { fault: `there is no list at ${mapping.rows === '' ? 'the top' : mapping.rows}` };
  return {
    rows: rows.map((row, place) => ({
      place: `row ${place + 1}`,
      read: (column) => {
        const value = atPath(row, column);
        return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : null;
      },
    })),
  };
}

function atPath(value: unknown, path: string): unknown {
  let at = value;
  for (const step of path === '' ? [] : path.split('.')) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string, unknown>)[step];
  }
  return at;
}

/** The row, or what is wrong with it. */
function readRow(read: Read, mapping: CostMapping): CostTableRow | string {
  const campaign = read(mapping.campaign);
  if (!campaign || campaign.length > 200 || campaign.includes('\0')) return `${mapping.campaign}: names no campaign`;
  const day = parseDay(read(mapping.day) ?? '');
  if (day === null) return `${mapping.day}: is no day (YYYY-MM-DD)`;
  const amount = parseAmount(read(mapping.amount) ?? '', mapping.divideBy);
  if (amount === null) return `${mapping.amount}: is no plain decimal number`;
  const given = mapping.currency === null ? null : read(mapping.currency);
  const currency = given ? given.toUpperCase() : mapping.fixedCurrency;
  if (currency !== null && !/^[A-Z]{3}$/.test(currency)) return `${mapping.currency}: is no ISO 4217 code`;
  return { campaign, day, amount, currency };
}

/** `YYYY-MM-DD`, `YYYYMMDD`, `YYYY/MM/DD`, or a time that begins with the first. */
function parseDay(text: string): string | null {
  const match = /^(\d{4})(-?)(\d{2})\2(\d{2})(?:[T ].*)?$/.exec(text.replaceAll('/', '-'));
  if (!match) return null;
  const day = `${match[1]}-${match[3]}-${match[4]}`;
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isFinite(ms) && new Date(ms).toISOString().slice(0, 10) === day ? day : null;
}

/** The amount divided, rounded half away from zero to 6 decimals; exact, without floats. */
function parseAmount(text: string, divideBy: CostMapping['divideBy']): string | null {
  const match = /^(-?)(\d{1,18})(?:\.(\d{0,18}))?$/.exec(text);
  if (!match) return null;
  const [, sign = '', whole = '0', fraction = ''] = match;
  const shift = String(divideBy).length - 1;
  const digits = BigInt(whole + fraction);
  const decimals = fraction.length + shift;
  const micros =
    decimals <= 6 ? digits * 10n ** BigInt(6 - decimals) : roundedQuotient(digits, 10n ** BigInt(decimals - 6));
  if (micros >= 10n ** 24n) return null;
  return trimDecimal(`${sign}${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`);
}

const roundedQuotient = (value: bigint, by: bigint) => (value + by / 2n) / by;
