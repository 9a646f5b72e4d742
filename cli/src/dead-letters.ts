import { randomUUID } from 'node:crypto';
import { createReplayer } from '@tributary/ingest/collector';
import { CodedError, type Config } from '@tributary/schema';
import {
  checkFixes,
  createDeadLetterReader,
  type DeadLetterRow,
  type PayloadFix,
  replayDeadLetters,
} from '@tributary/subgraphs/events/dead-letters';
import { createPorts, type Ports } from './ports.ts';

export interface DeadLetterSelection {
  readonly app: string;
  readonly code?: string;
  readonly stage?: string;
  /** Days back from now. */
  readonly days: number;
  readonly limit: number;
}

type Print = (line: string) => void;
type Letters = ReturnType<typeof createDeadLetterReader>;

/** `dead-letters list`: newest first, a line each. */
export async function listDeadLetters(config: Config, selection: DeadLetterSelection, print: Print): Promise<void> {
  await withLetters(config, selection.app, async ({ app, letters, ports }) => {
    const page = { first: selection.limit, limit: selection.limit, after: null };
    const found = await letters.readPage(app, filterOf(selection, ports.clock.now()), page);
    for (const letter of found) print(lineOf(letter));
    print(found.length === 0 ? 'No dead letters fit.' : `${found.length} shown; --limit and --days show more.`);
  });
}

/** `dead-letters show <id>`: all that is known of one, its payload as it came. Throws NOT_FOUND. */
export async function showDeadLetter(config: Config, appId: string, id: string, print: Print): Promise<void> {
  await withLetters(config, appId, async ({ app, letters }) => {
    const [letter] = await letters.readByIds(app, [id]);
    if (!letter) throw new CodedError('NOT_FOUND', { message: `There is no dead letter ${id} in ${appId}.` });
    const { payload, receivedAt, ...rest } = letter;
    print(JSON.stringify({ ...rest, receivedAt: new Date(receivedAt).toISOString() }, null, 2));
    print(payload);
  });
}

export interface ReplayGiven extends DeadLetterSelection {
  readonly ids: readonly string[];
  readonly fixes: readonly PayloadFix[];
  /** Repeating a replay under the same key goes on where it was cut off. */
  readonly key?: string;
  readonly dryRun: boolean;
}

/** `dead-letters replay`: mended or as they came, given to the collector's decoders again. Answers how many were taken. */
export async function replayFromCli(config: Config, given: ReplayGiven, print: Print): Promise<{ accepted: number }> {
  checkFixes(given.fixes);
  return withLetters(config, given.app, async ({ app, letters, ports }) => {
    const chosen = filterOf(given, ports.clock.now());
    const ids = given.ids.length > 0 ? given.ids : await letters.readIds(app, chosen, given.limit);
    if (given.dryRun || ids.length === 0) {
      print(`${ids.length} would be replayed.`);
      return { accepted: 0 };
    }
    const idempotencyKey = given.key ?? randomUUID();
    print(`replaying ${ids.length}; --key ${idempotencyKey} goes on with this replay should it be cut off`);
    const [eventLog, directory, idSecret] = await Promise.all([
      ports.eventLog(),
      ports.directory(),
      ports.signingSecret(),
    ]);
    const replayer = createReplayer({ eventLog, directory, idSecret, clock: ports.clock });
    try {
      const { outcomes } = await replayDeadLetters(
        { reader: letters, warehouse: await ports.warehouse(), clock: ports.clock, replayEvent: replayer.replay },
        { scope: app, ids, fixes: given.fixes, idempotencyKey, question: { ids: [...ids], fixes: given.fixes } },
      );
      for (const { deadLetterId, status, code } of outcomes)
        print(`${deadLetterId}  ${status}${code ? `  ${code}` : ''}`);
      const accepted = outcomes.filter(({ status }) => status === 'accepted').length;
      print(`${accepted} of ${ids.length} taken; ${ids.length - outcomes.length} of the ids are not there.`);
      return { accepted };
    } finally {
      await replayer.dispose();
    }
  });
}

/** `path=value`: the value is JSON where it reads as such, else a text; `path=` alone removes. */
export function parseFix(text: string): PayloadFix {
  const equals = text.indexOf('=');
  if (equals < 1) throw new CodedError('CONFIG_INVALID', { message: `--fix takes path=value, not '${text}'.` });
  const [path, value] = [text.slice(0, equals), text.slice(equals + 1)];
  if (value === '') return { path, value: null, remove: true };
  try {
    return { path, value: JSON.parse(value) as unknown, remove: false };
  } catch {
    return { path, value, remove: false };
  }
}

function filterOf({ code, stage, days }: DeadLetterSelection, nowMs: number) {
  return {
    range: { fromMs: nowMs - days * 86_400_000, toMs: nowMs + 60_000 },
    codes: code === undefined ? [] : [code],
    stages: stage === undefined ? [] : [stage],
  };
}

const lineOf = ({ id, receivedAt, stage, code, field, sourceFormat, message }: DeadLetterRow) =>
  [new Date(receivedAt).toISOString(), id, stage, code, field || '-', sourceFormat, message].join('  ');

interface Opened {
  readonly app: Parameters<Letters['readIds']>[0];
  readonly letters: Letters;
  readonly ports: Ports;
}

/** With the stores of the running product. Throws NOT_FOUND for an unknown app. */
async function withLetters<T>(config: Config, appId: string, work: (opened: Opened) => Promise<T>): Promise<T> {
  const ports = createPorts(config, 'dead-letters');
  try {
    const app = (await ports.directory()).current().apps.find((one) => one.appId === appId);
    if (!app) throw new CodedError('NOT_FOUND', { message: `There is no app ${appId}.` });
    const letters = createDeadLetterReader(await ports.warehouseReader());
    return await work({ app: { tenantId: app.tenantId, appId, partnerId: '' }, letters, ports });
  } finally {
    await ports.disposal.dispose();
  }
}
