export * from './alert-rules.ts';
export * from './cost-table.ts';
