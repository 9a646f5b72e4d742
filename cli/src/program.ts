import { CodedError, type Config, loadConfig } from '@tributary/schema';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DeadLetterSelection } from './dead-letters.ts';
import { type InitGiven, platforms } from './init-given.ts';
import { ownUrl } from './own-url.ts';
import { addReplayCommands } from './replay-commands.ts';
import { parseRoles, roleNames, serveRoles } from './serve-roles.ts';

type Env = Readonly<Record<string, string | undefined>>;

const wholeNumber = (text: string) => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('must be a number of 0 or more');
  return value;
};

/** Options of the command line that stand for a setting; each names its variable, which every child inherits. */
const settingOptions = [
  ['--data-dir <folder>', 'where everything is kept (default .data)', 'TRIBUTARY_DATA_DIR'],
  [
    '--host <address>',
    'address to listen on (default 127.0.0.1); beyond loopback needs --insecure-open or TLS in front',
    'TRIBUTARY_HOST',
  ],
  ['--port <port>', 'console and GraphQL (default 4000)', 'TRIBUTARY_PORT'],
  ['--collector-port <port>', 'collector (default 4001)', 'TRIBUTARY_COLLECTOR_PORT'],
  ['--warehouse-port <port>', 'embedded warehouse, loopback only (default 4010)', 'TRIBUTARY_WAREHOUSE_PORT'],
  ['--ops-port <port>', 'health and metrics of a role without a port of its own', 'TRIBUTARY_OPS_PORT'],
  ['--log-level <level>', 'trace, debug, info, warn, error or silent', 'TRIBUTARY_LOG_LEVEL'],
] as const;

function withSettings(command: Command): Command {
  for (const [flags, text] of settingOptions) command.option(flags, text);
  return command.option('--insecure-open', 'listen beyond loopback without TLS');
}

/** What the options say, as variables. */
function overlayOf(command: Command): Record<string, string> {
  // A command above that has the same options takes them, wherever they stand.
  const given = command.optsWithGlobals() as Record<string, unknown>;
  const overlay: Record<string, string> = {};
  for (const [flags, , variable] of settingOptions) {
    const name = flags.slice(2, flags.indexOf(' ')).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (given[name] !== undefined) overlay[variable] = String(given[name]);
  }
  if (given['insecureOpen']) overlay['TRIBUTARY_INSECURE_OPEN'] = 'true';
  return overlay;
}

/** The configuration of environment and options. Throws CONFIG_INVALID with every fault. */
export function configOf(env: Env, overlay: Readonly<Record<string, string>>): Config {
  const config = loadConfig({ ...env, ...overlay });
  const loopback = config.host === 'localhost' || config.host === '::1' || config.host.startsWith('127.');
  if (!loopback && !config.insecureOpen) {
    throw new CodedError('CONFIG_INVALID', {
      message: `--host ${config.host} opens this machine to others without TLS. Put a proxy with TLS in front and add --insecure-open to say so.`,
    });
  }
  return config;
}

/** The command line. `env` is the process's environment; commands print to standard output, logs go to standard error. */
export function buildProgram(env: Env): Command {
  const program = new Command('tributary')
    .description('Mobile measurement and growth analytics with a federated GraphQL API.')
    .showHelpAfterError();
  const print = (line: string) => void process.stdout.write(`${line}\n`);

  withSettings(program.command('serve').description('run the product, whole or one role of it'))
    .option('--role <names>', `all, or a comma-separated list of: ${roleNames.join(', ')}`, 'all')
    .option('--demo', 'make a demo tenant on the first run, fill 30 days and post live traffic')
    .option('--rate <events>', 'demo traffic, events per second', wholeNumber, 12)
    .option('--installs-per-day <count>', 'demo history, new people per app and day', wholeNumber, 120)
    .action(async (given: { role: string; demo?: boolean; rate: number; installsPerDay: number }, command: Command) => {
      const overlay = overlayOf(command);
      if (given.role !== 'all') {
        if (given.demo) throw new CodedError('CONFIG_INVALID', { message: '--demo goes with --role all only.' });
        return serveRoles(configOf(env, overlay), parseRoles(given.role), overlay);
      }
      const { serveAll, resolveFreePorts } = await import('./serve-all.ts');
      const resolved = await resolveFreePorts(configOf(env, overlay), overlay);
      return serveAll({
        config: configOf(env, resolved),
        overlay: resolved,
        print,
        demo: given.demo ? { rate: given.rate, installsPerDay: given.installsPerDay } : false,
      });
    });

  withSettings(program.command('init').description('make the first tenant, member and keys; the keys are shown once'))
    .requiredOption('--tenant <name>', 'name of the organisation')
    .requiredOption('--email <address>', 'e-mail address of its owner')
    .requiredOption('--app <name>', 'name of its first app')
    .addOption(
      new Option('--platform <platform>', 'where the app runs').choices([...platforms]).default('cross_platform'),
    )
    .option('--currency <code>', 'currency of reports (ISO 4217)', 'USD')
    .option('--timezone <zone>', 'time zone of reports (IANA)', 'UTC')
    .action(async (given: InitGiven, command: Command) =>
      (await import('./init.ts')).runInit(configOf(env, overlayOf(command)), given, print),
    );

  withSettings(
    program.command('migrate').description('apply what is missing of the relational and warehouse schema, then end'),
  ).action(async (_given, command: Command) =>
    (await import('./migrate.ts')).runMigrate(configOf(env, overlayOf(command)), print),
  );

  withSettings(
    program
      .command('backup')
      .description('copy the embedded data directory into one folder; the product must be stopped')
      .requiredOption('--to <folder>', 'a folder that is not there yet'),
  ).action(async (given: { to: string }, command: Command) => {
    await (await import('./backup.ts')).runBackup(configOf(env, overlayOf(command)), given.to, print);
  });

  withSettings(
    program
      .command('restore')
      .description('make a backup the data directory; what was there is kept beside it')
      .requiredOption('--from <folder>', 'a folder made by backup')
      .option('--replace', 'also when the data directory holds something'),
  ).action(async (given: { from: string; replace?: boolean }, command: Command) => {
    const config = configOf(env, overlayOf(command));
    await (await import('./backup.ts')).runRestore(config, given.from, { replace: given.replace === true }, print);
  });

  const letters = program.command('dead-letters').description('refused events: look at them, mend them, replay them');
  const ofApp = (command: Command) =>
    withSettings(command)
      .requiredOption('--app <id>', 'the app whose refused events are meant')
      .option('--code <code>', 'only those refused for this reason (docs/errors.md)')
      .option('--stage <stage>', 'only those refused by the collector or the consumer')
      .option('--days <days>', 'how far back', wholeNumber, 7)
      .option('--limit <count>', 'how many', wholeNumber, 50);
  ofApp(letters.command('list').description('newest first, a line each')).action(
    async (given: DeadLetterSelection, command: Command) =>
      (await import('./dead-letters.ts')).listDeadLetters(configOf(env, overlayOf(command)), given, print),
  );
  withSettings(letters.command('show').description('one of them, with its payload as it came'))
    .argument('<id>', 'its id, as list shows it')
    .requiredOption('--app <id>', 'its app')
    .action(async (id: string, given: { app: string }, command: Command) =>
      (await import('./dead-letters.ts')).showDeadLetter(configOf(env, overlayOf(command)), given.app, id, print),
    );
  ofApp(letters.command('replay').description('give them to the collector again, mended or as they came'))
    .option('--id <ids...>', 'these alone; without it all that fit the other options')
    .option('--fix <path=value...>', 'set a value of the payload before (JSON or text); path= removes it')
    .option('--key <text>', 'go on with a replay that was cut off')
    .option('--dry-run', 'say how many it would be')
    .action(
      async (
        given: DeadLetterSelection & { id?: string[]; fix?: string[]; key?: string; dryRun?: boolean },
        command: Command,
      ) => {
        const { parseFix, replayFromCli } = await import('./dead-letters.ts');
        const { id = [], fix = [], dryRun = false, ...rest } = given;
        const replay = { ...rest, ids: id, fixes: fix.map(parseFix), dryRun };
        await replayFromCli(configOf(env, overlayOf(command)), replay, print);
      },
    );

  addReplayCommands(program, { withSettings, configOf: (command) => configOf(env, overlayOf(command)), print });

  withSettings(program.command('simulate').description("post the demo world's traffic to a collector until stopped"))
    .option('--rate <events>', 'events per second', wholeNumber, 12)
    .option('--installs-per-day <count>', 'history, new people per app and day', wholeNumber, 120)
    .action(async (given: { rate: number; installsPerDay: number }, command: Command) => {
      const config = configOf(env, overlayOf(command));
      const { createLogger } = await import('@tributary/platform/logger');
      const { runSimulator } = await import('./simulate/main.ts');
      await runSimulator({
        ...given,
        dataDir: config.dataDir,
        collectorUrl: ownUrl(config.host, config.ports.collector),
        logger: createLogger('simulator', config.logLevel),
        print,
      });
    });
  return program;
}
