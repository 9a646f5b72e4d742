import { readFileSync } from 'node:fs';
import { deviceIdFields, environments, eventKinds, kindByEventName, limits } from '@tributary/schema';
import { slots, textFields } from '../client-fields.ts';
import { flagBit, flagsMember } from '../flags.ts';
import { latestMs, secondsBelow } from '../times.ts';

/** What the module of `ingest/wasm/line-core.ts` exports; places are addresses in its memory. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  addWord(table: number, at: number, length: number, value: number): void;
  survey(at: number, length: number): number;
  takeBody(
    at: number,
    length: number,
    target: number,
    targetEnd: number,
    scratch: number,
    receivedAt: number,
    mayBackfill: number,
  ): number;
  idsLength(): number;
  wasSingle(): number;
  placeLines(source: number, count: number, partitions: number, areas: number, areaBytes: number): void;
}

const regions = [
  'fieldNames',
  'kindsOfNames',
  'kinds',
  'environments',
  'pieces',
  'longest',
  'knownSlots',
  'flagPieces',
  'bounds',
  'prefix',
  'wholePlace',
  'countryPlace',
  'agentWhole',
  'agentPlatform',
  'agentVersion',
  'agentModel',
  'agentName',
  'currency',
  'dedupeKey',
  'lines',
  'ids',
  'heads',
  'free',
] as const;
type Region = (typeof regions)[number];

/** Texts of the context, with the bytes that each may take. */
const texts = {
  prefix: 8_192,
  wholePlace: 1_024,
  countryPlace: 256,
  agentWhole: 1_024,
  agentPlatform: 512,
  agentVersion: 512,
  agentModel: 1_024,
  agentName: 256,
  currency: 32,
  dedupeKey: 2_048 - 256,
} as const satisfies Partial<Record<Region, number>>;
export type ContextText = keyof typeof texts;

/** An instance of the module, its tables filled. */
export interface LineCore {
  readonly run: Exports;
  readonly at: Readonly<Record<Region, number>>;
  /** The memory as it is now: its views change when it grows. */
  readonly memory: { bytes: Buffer; words: Uint32Array };
  /** Whose tail stands in the head of each partition: block ids. */
  readonly headsOf: string[];
  /** Makes memory of at least so many bytes. */
  grow(bytes: number): void;
  /** False when the text is too long to be held. */
  setText(name: ContextText, text: string): boolean;
}

const compiled = new WebAssembly.Module(readFileSync(new URL('./line-core.wasm', import.meta.url)));
const pageBytes = 65_536;

/** (Over 50 lines: tables, in the order in which the module reads them.) */
export function createLineCore(): LineCore {
  const exports = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports &
    Record<Region, { readonly value: number }>;
  const at = Object.fromEntries(regions.map((name) => [name, exports[name].value])) as Record<Region, number>;
  const memory = viewsOf(exports.memory);
  const known: Partial<Record<ContextText, string>> = {};
  const core: LineCore = {
    run: exports,
    at,
    memory,
    headsOf: [],
    grow(bytes) {
      const missing = bytes - memory.bytes.length;
      if (missing <= 0) return;
      exports.memory.grow(Math.ceil(missing / pageBytes));
      Object.assign(memory, viewsOf(exports.memory));
    },
    setText(name, text) {
      if (known[name] === text) return true;
      if (text.length * 3 > texts[name] - 20) return false;
      memory.words[at[name] / 4 - 1] = memory.bytes.write(text, at[name]);
      known[name] = text;
      return true;
    },
  };
  core.grow(at.free + pageBytes);
  fillTables(core);
  for (const name of Object.keys(texts) as ContextText[]) core.setText(name, '');
  return core;
}

function viewsOf({ buffer }: WebAssembly.Memory): LineCore['memory'] {
  return { bytes: Buffer.from(buffer), words: new Uint32Array(buffer) };
}

/** Fields with a meaning of their own, in the module's order; then what stands for a device, the first that is there. */
const knownFields = [
  'event_id',
  'event_name',
  'event_kind',
  'environment',
  'occurred_at',
  'sent_at',
  'install_begin_at',
  'country',
  'revenue_amount',
  'revenue_currency',
  'properties',
  'app_id',
  'ip',
  'user_agent',
  'region',
  'city',
  'platform',
  'os_version',
  'device_model',
  'anonymous_id',
  ...deviceIdFields,
  'user_id',
] as const;
/** Where the number of text fields stands, which have the first slots. */
const textCountAt = 63;

const openings = [
  ',"event_id":"',
  '","device_key":"',
  '","occurred_at":',
  ',"sent_at":',
  ',"clock_skew_ms":',
  ',"event_kind":"',
  '","event_name":"',
  ',"environment":"',
  ',"country":"',
  ',"revenue_amount":"',
  '","revenue_currency":"',
  ',"install_begin_at":',
  ',"properties":"',
];
const firstOpening = 64;
const firstKind = 80;
const mostOfPiece = 32;
const timeFlags = ['no_client_time', 'skew_corrected', 'late', 'backfill'] as const;

function fillTables({ run, at, memory: { bytes, words } }: LineCore): void {
  const addWords = (table: Region, entries: Iterable<readonly [string, number]>): void => {
    for (const [text, value] of entries) run.addWord(at[table], at.free, writeZeroed(bytes, text, at.free), value);
  };
  // Of kinds, 0 is what an event has whose name says no other.
  const kinds = ['custom', ...eventKinds.filter((kind) => kind !== 'custom')];
  const numbered = (names: readonly string[]) => names.map((name, index) => [name, index] as const);
  addWords('fieldNames', Object.entries(slots));
  addWords('kinds', numbered(kinds));
  addWords('environments', numbered(environments));
  addWords(
    'kindsOfNames',
    Object.entries(kindByEventName).map(([name, kind]) => [name, kinds.indexOf(kind)] as const),
  );
  const putPiece = (index: number, text: string): void => {
    if (text.length > mostOfPiece) throw new RangeError(`${text} is over ${mostOfPiece} bytes`);
    words[at.pieces / 4 + index * 16] = text.length;
    bytes.write(text, at.pieces + index * 64 + 16, 'latin1');
  };
  for (const [index, name] of Object.keys(textFields).entries()) putPiece(index, `","${name}":"`);
  for (const [index, text] of openings.entries()) putPiece(firstOpening + index, text);
  for (const [index, kind] of kinds.entries()) putPiece(firstKind + index, kind);
  for (const [slot, longest] of Object.values(textFields).entries()) words[at.longest / 4 + slot] = longest;
  for (const [index, name] of knownFields.entries()) bytes[at.knownSlots + index] = slots[name];
  bytes[at.knownSlots + textCountAt] = Object.keys(textFields).length;
  for (let set = 0; set < 1 << timeFlags.length; set += 1) {
    const flags = timeFlags.reduce((bits, flag, bit) => bits | (set & (1 << bit) ? flagBit(flag) : 0), 0);
    words[at.flagPieces / 4 + set * 32] = bytes.write(flagsMember(flags), at.flagPieces + set * 128 + 16, 'latin1');
  }
  const bounds = [
    limits.futureMs,
    limits.lateMs,
    limits.writeKeyMaxAgeMs,
    limits.secretKeyMaxAgeMs,
    latestMs,
    secondsBelow,
  ];
  for (const [index, bound] of bounds.entries()) bytes.writeBigInt64LE(BigInt(bound), at.bounds + index * 8);
}

/** Writes a text of a table with zeros behind; returns its length. */
function writeZeroed(bytes: Buffer, text: string, at: number): number {
  bytes.fill(0, at, at + 64);
  return bytes.write(text, at, 'latin1');
}
