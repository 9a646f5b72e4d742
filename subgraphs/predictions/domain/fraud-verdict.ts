export type FraudVerdict = 'CLEAN' | 'SUSPECT' | 'FRAUD';

/** Bounds of the score, 0…1, from which an install is suspect and from which it counts as fraud. */
export const suspectFrom = 0.5;
export const fraudFrom = 0.8;

export function fraudVerdictOf(score: number): FraudVerdict {
  if (score >= fraudFrom) return 'FRAUD';
  return score >= suspectFrom ? 'SUSPECT' : 'CLEAN';
}
