export * from './cohort-ltv.ts';
export * from './fraud-verdict.ts';
