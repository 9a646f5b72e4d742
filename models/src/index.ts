export * from './arpu-curve.ts';
export * from './features.ts';
export * from './fraud-rules.ts';
export * from './ltv-rules.ts';
export * from './scorer.ts';
