import { type BatchBlock, verdicts } from '../batch.ts';

/** What is replayed: events received in [fromMs, toMs), of one app or of all. */
export interface ReplayRange {
  readonly fromMs: number;
  readonly toMs: number;
  readonly appId: string | null;
}

/** True of the rows in the range; takes the parameters of `rangeParams`. No column in it is ever NULL. */
export const inRangeSql = `(received_at >= fromUnixTimestamp64Milli({fromMs:Int64}) AND received_at < fromUnixTimestamp64Milli({toMs:Int64})
  AND ({appId:String} = '' OR app_id = {appId:String}))`;

export const rangeParams = ({ fromMs, toMs, appId }: ReplayRange) => ({ fromMs, toMs, appId: appId ?? '' });

const receivedAtName = Buffer.from('"received_at":');
const [zero, nine] = [0x30, 0x39];

/**
 * Marks the lines outside the range, so that no step takes them; returns how many are left. Lines are searched, not parsed:
 * inside a text every quote is escaped, so a name with both of its quotes is a name. A line without a time is kept, for the
 * warehouse to refuse.
 */
export function markOutside({ record, lineVerdicts }: BatchBlock, range: ReplayRange): number {
  const body = Buffer.from(record.body.buffer, record.body.byteOffset, record.body.byteLength);
  const app = range.appId === null ? null : Buffer.from(`"app_id":${JSON.stringify(range.appId)}`);
  let start = 0;
  let left = 0;
  for (const [index, length] of record.header.lineLengths.entries()) {
    const line = body.subarray(start, start + length);
    start += length;
    const receivedAt = receivedAtIn(line);
    const isOutside =
      (receivedAt !== null && (receivedAt < range.fromMs || receivedAt >= range.toMs)) ||
      (app !== null && !line.includes(app));
    if (isOutside) lineVerdicts[index] = verdicts.present;
    else left += 1;
  }
  return left;
}

function receivedAtIn(line: Buffer): number | null {
  const at = line.indexOf(receivedAtName);
  if (at < 0) return null;
  let value = 0;
  let digits = 0;
  for (let next = at + receivedAtName.length; next < line.length; next += 1) {
    const byte = line[next] as number;
    if (byte < zero || byte > nine) break;
    value = value * 10 + byte - zero;
    digits += 1;
  }
  return digits === 0 ? null : value;
}

/** When a block was made: the first 48 bits of its id, a UUID v7. */
export const blockTimeOf = (blockId: string): number => Number.parseInt(blockId.replaceAll('-', '').slice(0, 12), 16);
