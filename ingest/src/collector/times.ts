import { limits } from '@tributary/schema';
import { FieldFault } from './client-fields.ts';
import { type FlagBits, flagBit, noFlags } from './flags.ts';

const iso = /^(\d{4}-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})?)?$/;
/** Epoch values below this are taken as seconds (it is March 1973 in milliseconds). */
export const secondsBelow = 100_000_000_000;
/** End of 2099. */
export const latestMs = 4_102_444_800_000;

/** ISO 8601 text, or epoch milliseconds (or seconds) as number or text → epoch ms; undefined when absent. A text without zone is UTC. */
export function parseTime(value: unknown, field: string): number | FieldFault | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  let ms = Number.NaN;
  if (typeof value === 'number') ms = epochMs(value);
  else if (typeof value === 'string') {
    const match = iso.exec(value);
    if (match) {
      const zoned = match[2] !== undefined || value.length === 10;
      ms = isDay(match[1]!) ? Date.parse(zoned ? value : `${value.replace(' ', 'T')}Z`) : Number.NaN;
    } else if (/^\d{9,16}(\.\d+)?$/.test(value)) ms = epochMs(Number(value));
  }
  return ms >= 0 && ms <= latestMs ? ms : badTime(field, 'must be an ISO 8601 time or epoch milliseconds');
}

/** Date.parse takes 30 February for 2 March. */
function isDay(day: string): boolean {
  if (day.slice(8) <= '28') return true;
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}

const badTime = (field: string, what: string) => new FieldFault(field, `${field} ${what}`, 'BAD_TIMESTAMP');

function epochMs(value: number): number {
  return Math.floor(value < secondsBelow ? value * 1_000 : value);
}

/** The true time of an event, and what was done to find it. */
export interface EventTime {
  readonly occurredAt: number;
  readonly skewMs: number;
  readonly flags: FlagBits;
}

/**
 * The true time of an event. Where the client told when it sent, its clock's skew (received − sent) is taken out. Refused:
 * over an hour ahead; older than the key may write.
 */
export function correctTime(
  clientTime: number | undefined,
  sentAt: number | undefined,
  receivedAt: number,
  mayBackfill: boolean,
): EventTime | FieldFault {
  if (clientTime === undefined) return { occurredAt: receivedAt, skewMs: 0, flags: flagBit('no_client_time') };
  const skewMs = sentAt === undefined ? 0 : receivedAt - sentAt;
  const occurredAt = clientTime + skewMs;
  if (occurredAt > receivedAt + limits.futureMs) return badTime('occurred_at', 'is over one hour ahead of the server');
  const age = receivedAt - occurredAt;
  if (age > (mayBackfill ? limits.secretKeyMaxAgeMs : limits.writeKeyMaxAgeMs)) {
    return badTime(
      'occurred_at',
      mayBackfill ? 'is over five years old' : 'is over 30 days old; a secret key may write older events',
    );
  }
  if (occurredAt < 0) return badTime('occurred_at', 'is before 1970');
  let flags = skewMs === 0 ? noFlags : flagBit('skew_corrected');
  if (age > limits.lateMs) flags |= flagBit('late');
  if (age > limits.writeKeyMaxAgeMs) flags |= flagBit('backfill');
  return { occurredAt, skewMs, flags };
}
