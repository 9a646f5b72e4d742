import { parseArgs } from 'node:util';
import { type BenchOptions, type BenchResult, jsonLine } from './result.ts';

/** Every benchmark, by the name that the command line takes. */
const benches: Readonly<
  Record<string, { readonly about: string; readonly run: (options: BenchOptions) => Promise<BenchResult> }>
> = {
  collector: {
    about: 'HTTP to durable log: single events and batches of 100, against a server that only parses',
    run: async (options) => (await import('./collector.ts')).benchCollector(options),
  },
  pipeline: {
    about: "log to queryable row, embedded and through Kafka, against the engine's own insert; bytes on disk",
    run: async (options) => (await import('./pipeline.ts')).benchPipeline(options),
  },
  'collector-abuse': {
    about: 'normal traffic while slow-loris sockets, gzip bombs and bodies of 100 MB come at once',
    run: async (options) => (await import('./collector-abuse.ts')).benchCollectorAbuse(options),
  },
  query: {
    about: "the console's ten queries on 10 and on 50 million generated events",
    run: async (options) => (await import('./query.ts')).benchQuery(options),
  },
  'end-to-end': {
    about: "HTTP to queryable row, the whole family, against the engine's own insert",
    run: async (options) => (await import('./end-to-end.ts')).benchEndToEnd(options),
  },
  gateway: {
    about: 'the federated nested query, against stock Apollo Gateway and Hive Gateway; added latency; cached answers',
    run: async (options) => (await import('./gateway.ts')).benchGateway(options),
  },
  'gateway-abuse': {
    about: 'depth, alias, fragment and list bombs over every transport: time and CPU until the coded error',
    run: async (options) => (await import('./gateway-abuse.ts')).benchGatewayAbuse(options),
  },
  fanout: {
    about: 'one live metric to 1,000 and 10,000 subscribers',
    run: async (options) => (await import('./fanout.ts')).benchFanout(options),
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    runtime: { type: 'string', default: 'node' },
    help: { type: 'boolean', default: false },
  },
});
const [name] = positionals;
const bench = name === undefined ? undefined : benches[name];

if (values.help || !bench) {
  const list = Object.entries(benches).map(([key, { about }]) => `  ${key.padEnd(12)} ${about}`);
  process.stdout.write(
    `npm run -s bench -- <name> [--json] [--quick] [--runtime node|bun]\n\n${list.join('\n')}\n\n  --json   the last line is one JSON object\n  --quick  at most 3 minutes\n`,
  );
  process.exitCode = values.help ? 0 : 2;
} else {
  const result = await bench.run({
    quick: values.quick,
    runtime: values.runtime === 'bun' ? 'bun' : 'node',
    log: (line) => void process.stderr.write(`${line}\n`),
  });
  for (const [figure, { value, unit }] of Object.entries({ ...result.figures, ...result.against }))
    process.stdout.write(`${figure.padEnd(26)} ${value} ${unit}\n`);
  for (const [ratio, value] of Object.entries(result.ratios))
    process.stdout.write(`${`ratio ${ratio}`.padEnd(26)} ${value}\n`);
  if (values.json) process.stdout.write(`${jsonLine(result)}\n`);
  process.exit();
}
