/** What the HTTP front of chDB must know of a statement, found without a parser: pure functions over its text. */

/** read: a reader lane. write: the writer lane. kill: the control lane. session: SET and USE, which HTTP has no use for. */
export type StatementKind = 'read' | 'write' | 'kill' | 'session';

const readKeywords = new Set([
  'SELECT',
  'WITH',
  'FROM',
  'SHOW',
  'DESCRIBE',
  'DESC',
  'EXPLAIN',
  'EXISTS',
  'CHECK',
  'VALUES',
]);
const sessionKeywords = new Set(['SET', 'USE']);

/** By the first keyword; what is unknown counts as a write, so that it can't get in the way of readers. */
export function statementKind(sql: string): StatementKind {
  const keyword = /^[\s(]*([A-Za-z]+)/.exec(maskSql(sql.slice(0, 16_384)))?.[1]?.toUpperCase() ?? '';
  if (keyword === 'KILL') return 'kill';
  if (sessionKeywords.has(keyword)) return 'session';
  return readKeywords.has(keyword) ? 'read' : 'write';
}

/** Names of the `{name:Type}` parameters that the statement takes. Those in strings, comments and quoted names aren't. */
export function parameterNames(sql: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const match of maskSql(sql).matchAll(/\{\s*([A-Za-z_]\w*)\s*:/g)) if (match[1]) names.add(match[1]);
  return names;
}

/** The head of an insert whose rows follow as bytes. */
export interface InsertHead {
  /** `table` or `database.table`, unquoted. */
  readonly table: string;
  readonly columns: readonly string[] | undefined;
  readonly format: string;
}

const identifier = '(?:`[^`]+`|"[^"]+"|\\w+)';
const insertPattern = new RegExp(
  `^\\s*INSERT\\s+INTO\\s+(?:TABLE\\s+)?(${identifier}(?:\\s*\\.\\s*${identifier})?)\\s*` +
    `(?:\\(([^()]*)\\)\\s*)?FORMAT\\s+(\\w+)\\s*;?\\s*$`,
  'i',
);

/** Parses `INSERT INTO t [(columns)] FORMAT f` with nothing behind it; null for every other statement. */
export function parseInsertHead(sql: string): InsertHead | null {
  if (sql.length > 65_536) return null;
  const match = insertPattern.exec(maskSql(sql, { keepQuoted: true }));
  if (!match) return null;
  const [, table = '', columns, format = ''] = match;
  const names = columns?.split(',').map((name) => unquote(name.trim()));
  return {
    table: table
      .split('.')
      .map((part) => unquote(part.trim()))
      .join('.'),
    columns: names && names.length > 0 && names[0] !== '' ? names : undefined,
    format,
  };
}

const unquote = (name: string): string => name.replace(/^[`"](.*)[`"]$/, '$1');

/** A string literal of ClickHouse's SQL. */
export function sqlString(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&').replace(/\0/g, '\\0')}'`;
}

/** A quoted name of ClickHouse's SQL. */
export function sqlName(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}

/**
 * The same text with comments, and unless kept also quoted strings and names, overwritten by blanks: what is left can be
 * searched for keywords without being fooled by what a string holds. Length and positions stay.
 */
export function maskSql(sql: string, { keepQuoted = false }: { readonly keepQuoted?: boolean } = {}): string {
  return sql.replace(
    /--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|"(?:[^"\\]|\\[\s\S]|"")*(?:"|$)|`(?:[^`\\]|\\[\s\S]|``)*(?:`|$)/g,
    (token) => (keepQuoted && /^['"`]/.test(token) ? token : ' '.repeat(token.length)),
  );
}

/**
 * Splits a file into statements at semicolons outside of strings and comments. Comments stay with the statement behind
 * them; what holds nothing but comments is dropped.
 */
export function splitStatements(sql: string): readonly string[] {
  const masked = maskSql(sql);
  const statements: string[] = [];
  let from = 0;
  for (let at = masked.indexOf(';'); ; at = masked.indexOf(';', from)) {
    const to = at < 0 ? sql.length : at;
    if (masked.slice(from, to).trim() !== '') statements.push(sql.slice(from, to).trim());
    if (at < 0) return statements;
    from = at + 1;
  }
}
