import { ltvHorizons } from '@tributary/models';
import { CodedError } from '@tributary/schema';

/** Checks `horizonDays` against the horizons that are kept. Throws BAD_USER_INPUT. */
export function requireHorizon(horizonDays: number): number {
  if ((ltvHorizons as readonly number[]).includes(horizonDays)) return horizonDays;
  throw new CodedError('BAD_USER_INPUT', {
    message: `horizonDays takes ${ltvHorizons.join(', ')}.`,
    details: { field: 'horizonDays', allowed: ltvHorizons },
  });
}

export const horizonDescription = `Days after the install that the value spans: ${ltvHorizons.join(', ')}.`;
