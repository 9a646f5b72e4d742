/** A table as text; `line` is where each row begins, from 1. */
export interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Rows of a CSV text as RFC 4180 has it, with any one-character separator, CR LF or LF, and a byte order mark before it.
 * Empty lines are left out. `null` when a quote is never closed or stands amid a cell.
 */
export function parseCsv(text: string, separator = ','): readonly CsvRow[] | null {
  const rows: CsvRow[] = [];
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const cells: string[] = [];
    const begun = line;
    for (;;) {
      const cell = text[at] === '"' ? readQuoted(text, at) : readBare(text, at, separator);
      if (!cell) return null;
      cells.push(cell.value);
      line += cell.lines;
      at = cell.end;
      if (text[at] !== separator) break;
      at += 1;
    }
    if (text[at] === '\r') at += 1;
    if (at < text.length && text[at] !== '\n') return null;
    at += 1;
    line += 1;
    if (cells.length > 1 || cells[0] !== '') rows.push({ line: begun, cells });
  }
  return rows;
}

interface Cell {
  readonly value: string;
  /** Where what follows begins. */
  readonly end: number;
  readonly lines: number;
}

function readBare(text: string, from: number, separator: string): Cell | null {
  let end = from;
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end += 1;
  const value = text.slice(from, end);
  return value.includes('"') ? null : { value: value.trim(), end, lines: 0 };
}

function readQuoted(text: string, from: number): Cell | null {
  let value = '';
  let at = from + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return null;
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      return { value, end: quote + 1, lines: value.split('\n').length - 1 };
    }
    value += '"';
    at = quote + 2;
  }
}
