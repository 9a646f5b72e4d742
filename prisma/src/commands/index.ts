/** Every change that a caller may ask for, and the one way to run it. */
export * from './alerts.ts';
export * from './apps.ts';
export * from './archive.ts';
export * from './catalogue.ts';
export {
  type Command,
  type CommandAnswer,
  type CommandOutcome,
  type CommandRequest,
  type CommandScope,
  defineCommand,
  runCommand,
} from './command.ts';
export * from './costs.ts';
export * from './currencies.ts';
export * from './keys.ts';
export * from './members.ts';
export * from './reports.ts';
