import { CodedError } from '@tributary/schema';
import { buildProgram } from './program.ts';
import { exitFinal } from './supervisor.ts';

process.env['APOLLO_TELEMETRY_DISABLED'] = '1';

try {
  await buildProgram(process.env).parseAsync();
  process.exitCode ??= 0;
} catch (error) {
  const coded = error instanceof CodedError ? error : null;
  process.stderr.write(
    `${coded ? `${coded.code}: ${coded.message}` : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = coded && !coded.retryable ? exitFinal : 1;
}
// Servers and stores were disposed of above; what a library left ticking must not keep the process.
setTimeout(() => process.exit(), 2_000).unref();
