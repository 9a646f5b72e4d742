import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type CanonicalEvent, eventSchema } from '@tributary/schema';

/** A line of a file, its number counted from 1. */
export interface NumberedLine {
  readonly number: number;
  readonly text: string;
}

export interface ReadLine extends NumberedLine {
  readonly event: CanonicalEvent;
}

/** Why a line is not taken. */
export interface RefusedLine extends NumberedLine {
  readonly reason: string;
}

export interface LinePage {
  readonly events: readonly ReadLine[];
  readonly refused: readonly RefusedLine[];
}

const linesPerPage = 2_000;
const bytesPerPage = 4 * 1_048_576;

/** A file's lines as events, a page at a time; the next one is read when the last one is done with. Empty lines are passed over. */
export async function* readEventLines(path: string): AsyncGenerator<LinePage> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let page: NumberedLine[] = [];
  let bytes = 0;
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    page.push({ number, text });
    bytes += text.length;
    if (page.length < linesPerPage && bytes < bytesPerPage) continue;
    yield pageOf(page);
    page = [];
    bytes = 0;
  }
  if (page.length > 0) yield pageOf(page);
}

function pageOf(lines: readonly NumberedLine[]): LinePage {
  const events: ReadLine[] = [];
  const refused: RefusedLine[] = [];
  for (const line of lines) {
    const outcome = parseLine(line.text);
    if (typeof outcome === 'string') refused.push({ ...line, reason: outcome });
    else events.push({ ...line, event: outcome });
  }
  return { events, refused };
}

/** The event, or why there is none. A field that is null is absent. */
function parseLine(text: string): CanonicalEvent | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is no JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is no JSON object';
  const given = Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
  const parsed = eventSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  return parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'event'}: ${message}`).join('; ');
}

/** Lines that were not taken, each with its number and the reason; the file is made with the first of them. */
export interface RejectFile {
  add(lines: readonly RefusedLine[]): Promise<void>;
  readonly count: number;
  close(): Promise<void>;
}

export function createRejectFile(path: string): RejectFile {
  let file: FileHandle | null = null;
  let count = 0;
  return {
    get count() {
      return count;
    },
    async add(lines) {
      if (lines.length === 0) return;
      file ??= await open(path, 'w', 0o600);
      const rows = lines.map(({ number, reason, text }) => `${JSON.stringify({ line: number, reason, text })}\n`);
      await file.appendFile(rows.join(''));
      count += lines.length;
    },
    async close() {
      await file?.close();
    },
  };
}
