/** One jest project for all workspaces: `npm test`, or `npm test -- <path>` for a part of it. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  transform: {
    '^.+\\.tsx?$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', tsx: true },
          target: 'es2024',
          // Without it swc drops `with { type: 'json' }`, which Node requires.
          experimental: { keepImportAttributes: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  testMatch: ['<rootDir>/**/*.test.ts', '<rootDir>/**/*.test.tsx'],
  testPathIgnorePatterns: ['/node_modules/', '/\\.data/', '/web/out/', '/web/\\.next/'],
  modulePathIgnorePatterns: ['<rootDir>/web/\\.next', '<rootDir>/web/out', '<rootDir>/\\.data'],
  testTimeout: 30_000,
  maxWorkers: 2,
};
