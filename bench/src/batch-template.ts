import { randomFillSync } from 'node:crypto';

/**
 * A batch of events as the bytes of a whole HTTP request, of which ids, persons and times are overwritten in place for each
 * sending. Putting the same together as text cost 3 µs an event of the cores that the product has to live on.
 */
export interface BatchTemplate {
  /** The same bytes each time, with other contents: to be sent before the next call. */
  next(nowMs: number): Buffer;
}

/** Of events of 350 bytes; ids are random as UUIDs are, so that they compress as badly. */
export function createBatchTemplate(events: number, head: (bodyBytes: number) => string): BatchTemplate {
  const parts = Array.from({ length: events }, (_, index) => eventText(index));
  const body = `{"batch":[${parts.join(',')}],"sent_at":${marks.time}}`;
  const bytes = Buffer.from(head(Buffer.byteLength(body)) + body, 'latin1');
  const [ids, persons, times] = [marks.id, marks.person, marks.time].map((mark) => placesOf(bytes, mark));
  const random = createRandom();
  return {
    next(nowMs) {
      for (const at of ids!) writeUuid(bytes, at, random);
      for (const at of persons!) writeDigits(bytes, at, marks.person.length, random() % 200_000);
      const sentAt = times!.length - 1;
      for (let i = 0; i < sentAt; i += 1)
        writeDigits(bytes, times![i]!, marks.time.length, nowMs - (random() % 60_000));
      writeDigits(bytes, times![sentAt]!, marks.time.length, nowMs);
      return bytes;
    },
  };
}

const names = ['session_start', 'level_complete', 'purchase', 'ad_revenue', 'screen'];
/** Texts that stand for what is overwritten, of the same length. */
const marks = { id: '########-####-4###-8###-############', person: '@@@@@@', time: '1000000000000' } as const;

function eventText(index: number): string {
  const name = names[index % names.length]!;
  const money = name === 'purchase' ? ',"revenue_amount":"4.99","revenue_currency":"USD"' : '';
  return (
    `{"event_name":"${name}","event_id":"${marks.id}","anonymous_id":"person-${marks.person}","occurred_at":${marks.time}` +
    `,"platform":"android","os_version":"15","app_version":"4.2.0","country":"${index % 3 === 0 ? 'US' : 'DE'}","device_model":"Pixel 9"${money}` +
    `,"properties":{"level":${index},"mode":"ranked"}}`
  );
}

function placesOf(bytes: Buffer, mark: string): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) places.push(at);
  return places;
}

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let left = value;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    const rest = Math.floor(left / 10);
    bytes[i] = 48 + left - rest * 10;
    left = rest;
  }
}

const hexDigits = Buffer.from('0123456789abcdef');

/** Version 4, 32 bits of randomness at a time; version and variant stand in the text. */
function writeUuid(bytes: Buffer, at: number, random: () => number): void {
  let bits = 0;
  let left = 0;
  for (let i = 0; i < 36; i += 1) {
    if (i === 8 || i === 13 || i === 14 || i === 18 || i === 19 || i === 23) continue;
    if (left === 0) {
      bits = random();
      left = 8;
    }
    bytes[at + i] = hexDigits[bits & 15]!;
    bits >>>= 4;
    left -= 1;
  }
}

/** xorshift128 of Marsaglia (2003), of a random state: 32 bits a call, 2^128 − 1 calls until it repeats. */
function createRandom(): () => number {
  const state = randomFillSync(new Uint32Array(4));
  let [x, y, z, w] = state as unknown as [number, number, number, number];
  return () => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
}
