import { type Logger, pino } from 'pino';

/** Structured JSON logs on stderr, with the role's name. Keys, tokens and bodies are never passed to it. */
export function createLogger(role: string, level: string): Logger {
  return pino({ level, base: { role, pid: process.pid } }, pino.destination({ dest: 2, sync: true }));
}

export type { Logger } from 'pino';
