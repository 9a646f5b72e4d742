/** Calendar days `YYYY-MM-DD`; `from` inclusive, `to` exclusive. Empty when equal. */
export interface DayBounds {
  readonly from: string;
  readonly to: string;
}

const dayMs = 86_400_000;

/**
 * The days of a time zone whose midnight lies in the range. Costs come by the day, so a range takes a day whole or not at
 * all; by its beginning, so that ranges that follow one another share no day and miss none, and the last 30 × 24 hours
 * hold 30 days.
 */
export function daysBegunIn(range: { readonly fromMs: number; readonly toMs: number }, timezone: string): DayBounds {
  const dayOf = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  // The first day that has not begun before `ms`: the one after the day of the instant before it.
  const firstBegunFrom = (ms: number) => nextDay(dayOf.format(ms - 1));
  return { from: firstBegunFrom(range.fromMs), to: firstBegunFrom(range.toMs) };
}

function nextDay(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + dayMs).toISOString().slice(0, 10);
}
