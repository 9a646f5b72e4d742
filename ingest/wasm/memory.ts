/** What stands where in memory: the tables that the host fills once, the context of a body, and what was found in the event at hand. */

/* Tables, filled once. */

/** Texts of up to 32 bytes by hash: 128 places of 48 bytes (length, value, 14 free, text). */
const tableBytes: usize = 128 * 48;
export const fieldNames: usize = memory.data(128 * 48, 16);
export const kindsOfNames: usize = memory.data(128 * 48, 16);
export const kinds: usize = memory.data(128 * 48, 16);
export const environments: usize = memory.data(128 * 48, 16);
/** What is written often: 64 places of 64 bytes (length in 4, 12 free, text of up to 32). The first are the text fields' openings. */
export const pieces: usize = memory.data(128 * 64, 16);
/** By slot: the longest text. */
export const longest: usize = memory.data(64 * 4, 16);
/** Slots of fields with a meaning here, in the order of `slotOf`. */
export const knownSlots: usize = memory.data(64, 16);
/** The flags' member for each set of the four that are found here: 16 places of 128 bytes (length in 4, text behind 16). */
export const flagPieces: usize = memory.data(16 * 128, 16);
/** futureMs, lateMs, writeKeyMaxAgeMs, secretKeyMaxAgeMs, latestMs, secondsBelow, as i64. */
export const bounds: usize = memory.data(64, 16);

/* The context of a body: texts with their length in the 4 bytes before them. */

export const prefix: usize = memory.data(8_192, 16);
export const wholePlace: usize = memory.data(1_024, 16);
export const countryPlace: usize = memory.data(256, 16);
export const agentWhole: usize = memory.data(1_024, 16);
export const agentPlatform: usize = memory.data(512, 16);
export const agentVersion: usize = memory.data(512, 16);
export const agentModel: usize = memory.data(1_024, 16);
/** The agent's platform, in lower case as it is compared. */
export const agentName: usize = memory.data(256, 16);
export const currency: usize = memory.data(32, 16);
/** What the dedupe keys of an app begin with; an id is written behind it. */
export const dedupeKey: usize = memory.data(2_048, 16);

/* What was found. */

/** Of each line: where it ends (behind the first line's start), its minute since 1970, and both hashes; 24 bytes. */
export const lines: usize = memory.data(2_000 * 24, 16);
/** `"id",` of each event. */
export const ids: usize = memory.data(2_000 * 208, 16);
/** Where the escaped properties of the event at hand stand. */
export let embedded: usize = 0;

/** Heads of the partitions' blocks, 256 bytes each. */
export const heads: usize = memory.data(64 * 256, 16);
/** Behind it memory is the host's. */
export const free: usize = __heap_base;

export const starts: usize = memory.data(64 * 4, 16);
export const ends: usize = memory.data(64 * 4, 16);
export const seenNames: usize = memory.data(64 * 12 * 8, 16);

/** Fields that are given in the event at hand, empty ones and null too; those that hold something; those that are numbers. */
export let given: u64 = 0;
export let there: u64 = 0;
export let numbers: u64 = 0;
/** Where the next byte of escaped properties is written. */
export let out: usize = 0;
export let idsEnd: usize = 0;
export let isSingle: bool = false;
/** Of the envelope; −1 = not told. */
export let batchSentAt: i64 = -1;

/** Known slots, in the host's order. */
export const atEventId: i32 = 0;
export const atEventName: i32 = 1;
export const atEventKind: i32 = 2;
export const atEnvironment: i32 = 3;
export const atOccurredAt: i32 = 4;
export const atSentAt: i32 = 5;
export const atBeganAt: i32 = 6;
export const atCountry: i32 = 7;
export const atAmount: i32 = 8;
export const atCurrency: i32 = 9;
export const atProperties: i32 = 10;
export const atAppId: i32 = 11;
export const atIp: i32 = 12;
export const atUserAgent: i32 = 13;
export const atRegion: i32 = 14;
export const atCity: i32 = 15;
export const atPlatform: i32 = 16;
export const atOsVersion: i32 = 17;
export const atDeviceModel: i32 = 18;
/** What stands for the device, the first that is there: six of them. Those but the first and last are device ids. */
export const atSubjects: i32 = 19;
export const subjectCount: i32 = 6;

/** Pieces behind those of the text fields, in the host's order. */
export const pieceId: i32 = 64;
export const pieceDeviceKey: i32 = 65;
export const pieceOccurred: i32 = 66;
export const pieceSent: i32 = 67;
export const pieceSkew: i32 = 68;
export const pieceKind: i32 = 69;
export const pieceName: i32 = 70;
export const pieceEnvironment: i32 = 71;
export const pieceCountry: i32 = 72;
export const pieceAmount: i32 = 73;
export const pieceCurrency: i32 = 74;
export const pieceBegan: i32 = 75;
export const pieceProperties: i32 = 76;
/** Names of kinds. */
export const pieceKinds: i32 = 80;

@inline export function slotOf(known: i32): i32 { return load<u8>(knownSlots + known); }
@inline export function bitOf(slot: i32): u64 { return (1 as u64) << (slot as u64); }
@inline export function isThere(slot: i32): bool { return (there & bitOf(slot)) != 0; }
@inline export function startOf(slot: i32): usize { return load<u32>(starts + (slot << 2)); }
@inline export function endOf(slot: i32): usize { return load<u32>(ends + (slot << 2)); }
