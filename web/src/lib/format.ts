/** How numbers, money and times are shown. Locale of the reader; tests give one. */

export interface MoneyValue {
  readonly amount: string;
  readonly currency: string;
}

export function formatCount(value: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }).format(value);
}

/** Events per second: one decimal below 100. */
export function formatRate(value: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: value < 100 ? 1 : 0 }).format(value);
}

/** Whole units from 1,000 on, cents below. */
export function formatMoney(money: MoneyValue, locale?: string): string {
  const amount = Number(money.amount);
  const digits = Math.abs(amount) >= 1_000 ? 0 : 2;
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: money.currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(amount);
}

/** 1.42 → `142%`. */
export function formatShare(value: number, locale?: string, digits = 0): string {
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: digits }).format(value);
}

export function formatTime(iso: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' }).format(
    new Date(iso),
  );
}

export function formatDay(iso: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric' }).format(new Date(iso));
}

/** 5 → `5 s`, 95 → `1 min 35 s`, 8300 → `2 h 18 min`, 200000 → `2 d 7 h`; a minus sign for what came after. */
export function formatDuration(seconds: number): string {
  const sign = seconds < 0 ? '−' : '';
  const whole = Math.abs(seconds);
  if (whole < 60) return `${sign}${whole < 10 ? Math.round(whole * 10) / 10 : Math.round(whole)} s`;
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ] as const;
  const first = units.findIndex(([size]) => whole >= size);
  const [size, name] = units[first]!;
  const next = units[first + 1];
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  return `${sign}${Math.floor(whole / size)} ${name}${next && rest > 0 ? ` ${rest} ${next[1]}` : ''}`;
}

/** `CLICK_DEVICE_ID` → `Click, device id`. */
export function formatEnum(value: string): string {
  const words = value.toLowerCase().split('_');
  const [first, ...rest] = words;
  if ((first === 'click' || first === 'impression') && rest.length > 0) return `${capital(first)}, ${rest.join(' ')}`;
  return capital(words.join(' '));
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
