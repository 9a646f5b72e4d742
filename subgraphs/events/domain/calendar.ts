const minuteMs = 60_000;
/** No calendar day is longer: 24 h and a daylight-saving hour, with room. */
const longestDayMs = 27 * 3_600_000;

/** The date in a time zone (IANA name) at an instant, `YYYY-MM-DD`. */
export function createDateIn(timezone: string): (ms: number) => string {
  // en-CA writes dates as YYYY-MM-DD.
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (ms) => format.format(ms);
}

/** The first minute in (lowMs, highMs] for which `holds`, given that it fails at lowMs, holds at highMs and changes once. */
function firstMinute(lowMs: number, highMs: number, holds: (ms: number) => boolean): number {
  let low = Math.floor(lowMs / minuteMs);
  let high = Math.floor(highMs / minuteMs);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle * minuteMs)) high = middle;
    else low = middle;
  }
  return high * minuteMs;
}

/**
 * When the day that holds `ms` began in the time zone, UTC ms. Searched rather than computed: right for days that begin at
 * 01:00 because midnight was skipped, and for every offset.
 */
export function dayStart(ms: number, timezone: string): number {
  const dateIn = createDateIn(timezone);
  const date = dateIn(ms);
  return firstMinute(ms - longestDayMs, ms, (at) => dateIn(at) === date);
}

/** The days of a time zone that touch [fromMs, toMs), oldest first; the first may begin before `fromMs`. */
export function daysOf(fromMs: number, toMs: number, timezone: string): readonly { date: string; startMs: number }[] {
  const dateIn = createDateIn(timezone);
  const days: { date: string; startMs: number }[] = [];
  for (let startMs = dayStart(fromMs, timezone); startMs < toMs; ) {
    const date = dateIn(startMs);
    days.push({ date, startMs });
    startMs = firstMinute(startMs, startMs + longestDayMs, (at) => dateIn(at) !== date);
  }
  return days;
}

/** Whether days and hours of the zone begin at whole UTC half hours in the range; not so in Nepal or on the Chatham Islands. */
export function isWholeHalfHours(
  timezone: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): boolean {
  const minutesOf = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, minute: 'numeric' });
  return [fromMs, toMs].every((ms) => Number(minutesOf.format(Math.floor(ms / 3_600_000) * 3_600_000)) % 30 === 0);
}
