/** What was observed of an app's installs, by whole days of age. */
export interface AgeObservation {
  /** 0 = the first 24 hours. */
  readonly day: number;
  /** Revenue of that day of age over all installs that lived through it whole, app currency. */
  readonly revenue: number;
  /** Installs that lived through that day whole. */
  readonly installs: number;
}

/** Mean cumulative revenue per install at an age in days (fractions allowed). */
export type ArpuCurve = (ageDays: number) => number;

/** Fewer installs than this make a day's mean noise; from there on the curve is extended. */
export const minInstallsPerDay = 50;
/** Activity falls as day^−0.4 (retention near 40/20/10 % at D1/D7/D30), and revenue with it. */
export const tailExponent = -0.4;
const tailWindowDays = 7;

/**
 * The curve up to `maxDays`. Days with at least `minInstallsPerDay` installs count as observed (if none has, all days
 * do); later days continue from the mean of the last observed week by (day / lastDay)^−0.4. No observation: 0 everywhere.
 */
export function buildArpuCurve(observations: readonly AgeObservation[], maxDays: number): ArpuCurve {
  const byDay = new Map(observations.filter((one) => one.installs > 0).map((one) => [one.day, one]));
  const enough = (day: number, least: number) => (byDay.get(day)?.installs ?? 0) >= least;
  const least = enough(0, minInstallsPerDay) ? minInstallsPerDay : 1;
  const daily: number[] = [];
  for (let day = 0; day < maxDays && enough(day, least); day += 1) {
    const { revenue, installs } = byDay.get(day)!;
    daily.push(revenue / installs);
  }
  const observed = daily.length;
  const window = daily.slice(-tailWindowDays);
  const level = observed === 0 ? 0 : Math.max(0, window.reduce((sum, value) => sum + value, 0) / window.length);
  const from = Math.max(1, observed - window.length / 2);
  while (daily.length < maxDays) daily.push(level * ((daily.length + 0.5) / from) ** tailExponent);
  const cumulative = [0];
  for (const value of daily) cumulative.push(cumulative.at(-1)! + value);
  return (ageDays) => {
    const age = Math.min(maxDays, Math.max(0, ageDays));
    const whole = Math.floor(age);
    return cumulative[whole]! + (age - whole) * (daily[whole] ?? 0);
  };
}
