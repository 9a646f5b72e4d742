export { createDeadLetterReader, type DeadLetterRow } from './dead-letter-reader.ts';
export { checkFixes, type PayloadFix } from './domain/apply-fixes.ts';
export { replayDeadLetters } from './replay-dead-letters.ts';
