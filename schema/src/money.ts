/**
 * Money is a decimal text with a currency, never a float. The warehouse holds Decimal(38, 6); sums are made there.
 */
export interface Money {
  /** Plain decimal, e.g. `"4.99"`, `"-0.5"`; no exponent, no grouping. */
  readonly amount: string;
  /** ISO 4217, upper case. */
  readonly currency: string;
}

/** Up to 18 integer digits and 6 decimals. */
export const decimalPattern = /^-?\d{1,18}(\.\d{1,6})?$/;

/** A decimal text with trailing zeros of the fraction removed: `"4.990000"` → `"4.99"`, `"-0"` → `"0"`. */
export function trimDecimal(text: string): string {
  if (!text.includes('.')) return text === '-0' ? '0' : text;
  const trimmed = text.replace(/0+$/, '').replace(/\.$/, '');
  return trimmed === '-0' || trimmed === '' ? '0' : trimmed;
}
