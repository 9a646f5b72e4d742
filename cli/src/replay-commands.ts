import type { Config } from '@tributary/schema';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** What these commands need of the program: the options that every command has, and what comes of them. */
export interface CommandFrame {
  withSettings(command: Command): Command;
  configOf(command: Command): Config;
  print(line: string): void;
}

/** A moment as epoch ms: ISO 8601 (a day alone is its midnight in UTC) or epoch milliseconds. */
export function parseMoment(text: string): number {
  const value = /^\d{11,}$/.test(text) ? Number(text) : Date.parse(text);
  // A time without a zone would be read in that of the machine.
  const isZoned = /^\d{4}-\d{2}-\d{2}(T.*(Z|[+-]\d{2}:?\d{2}))?$/.test(text) || /^\d{11,}$/.test(text);
  if (!Number.isInteger(value) || !isZoned) {
    throw new InvalidArgumentError('must be a time such as 2026-11-20 or 2026-11-20T12:00:00Z');
  }
  return value;
}

/** `replay`, `rebuild`, `export-app` and `import-app`: see docs/operations/replay.md. */
export function addReplayCommands(program: Command, frame: CommandFrame): void {
  addReplay(program, frame);
  addAppFiles(program, frame);
}

interface ReplayOptions {
  readonly from?: number;
  readonly to?: number;
  readonly app?: string;
  readonly source: string;
  readonly dryRun?: boolean;
}

function addReplay(program: Command, { withSettings, configOf, print }: CommandFrame): void {
  const replay = withSettings(
    program
      .command('replay')
      .description('read a time again from the log or an export into a new version of the events, and put it in place')
      .option('--from <time>', 'events received at or after it', parseMoment)
      .option('--to <time>', 'events received before it', parseMoment)
      .option('--app <id>', 'of this app alone')
      .option('--source <log|file>', 'the log, or an export of the app in NDJSON', 'log')
      .option('--dry-run', 'build it, say what would change, and drop it'),
  ).action(async (given: ReplayOptions, command: Command) => {
    if (given.from === undefined || given.to === undefined) {
      return command.error("error: required options '--from <time>' and '--to <time>' not specified");
    }
    const { from: fromMs, to: toMs, app = null, source, dryRun = false } = given;
    await (await import('./replay.ts')).runReplay(
      configOf(command),
      { fromMs, toMs, appId: app, source, dryRun },
      print,
    );
  });
  withSettings(replay.command('list').description('the versions of the events that there are')).action(
    async (_given, command: Command) => (await import('./replay.ts')).runReplayList(configOf(command), print),
  );
  withSettings(replay.command('undo').description('put the version before a replay back; done again, the replayed one'))
    .argument('<id>', 'of the latest replay')
    .action(async (id: string, _given, command: Command) =>
      (await import('./replay.ts')).runReplayUndo(configOf(command), id, print),
    );
  withSettings(replay.command('drop').description('drop the version that a replay put aside'))
    .argument('<id>', 'of the replay')
    .option('--yes', 'the replay can not be undone afterwards')
    .action(async (id: string, given: { yes?: boolean }, command: Command) =>
      (await import('./replay.ts')).runReplayDrop(configOf(command), id, given.yes === true, print),
    );
  const rebuild = program.command('rebuild').description('make anew what follows from the events');
  withSettings(
    rebuild.command('aggregates').description('make the aggregates from the rows, and compare; reports go on'),
  ).action(async (_given, command: Command) => {
    await (await import('./rebuild.ts')).runRebuild(configOf(command), print);
  });
}

interface ExportOptions {
  readonly app: string;
  readonly format: 'ndjson' | 'parquet';
  readonly out: string;
  readonly from?: number;
  readonly to?: number;
}

function addAppFiles(program: Command, { withSettings, configOf, print }: CommandFrame): void {
  withSettings(
    program
      .command('export-app')
      .description("write an app's events into a file")
      .requiredOption('--app <id>', 'the app')
      .requiredOption('--out <file>', 'a file that is not there yet')
      .addOption(new Option('--format <format>', 'what kind of file').choices(['ndjson', 'parquet']).default('ndjson'))
      .option('--from <time>', 'events received at or after it', parseMoment)
      .option('--to <time>', 'events received before it', parseMoment),
  ).action(async ({ app, format, out, from, to }: ExportOptions, command: Command) => {
    await (await import('./export-app.ts')).runExportApp(
      configOf(command),
      {
        appId: app,
        format,
        to: out,
        ...(from === undefined ? {} : { fromMs: from }),
        ...(to === undefined ? {} : { untilMs: to }),
      },
      print,
    );
  });
  withSettings(
    program
      .command('import-app')
      .description('put the events of an export into an app; what it has already is left out')
      .requiredOption('--app <id>', 'the app, which must be there')
      .requiredOption('--from <file>', 'a file made by export-app'),
  ).action(async ({ app, from }: { app: string; from: string }, command: Command) => {
    await (await import('./import-app.ts')).runImportApp(configOf(command), { appId: app, from }, print);
  });
}
