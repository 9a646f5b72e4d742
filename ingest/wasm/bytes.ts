/** Characters with a meaning in JSON, and classes of them. */

export const quote: i32 = 0x22;
export const comma: i32 = 0x2c;
export const colon: i32 = 0x3a;
export const opening: i32 = 0x7b;
export const closing: i32 = 0x7d;
export const arrayOpening: i32 = 0x5b;
export const arrayClosing: i32 = 0x5d;
export const minus: i32 = 0x2d;
export const point: i32 = 0x2e;
export const zero: i32 = 0x30;

@inline export function isBlank(byte: i32): bool { return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09; }
@inline export function isDigit(byte: i32): bool { return (byte - zero) as u32 <= 9; }
@inline export function isLetter(byte: i32): bool { return ((byte | 0x20) - 0x61) as u32 <= 25; }
