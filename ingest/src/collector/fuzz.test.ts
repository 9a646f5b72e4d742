import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { errorCatalogue, limits, sourceFormats } from '@tributary/schema';
import fc from 'fast-check';
import { aDirectory, anEvent, openTestCollector, pendingOf } from './collector.testing.ts';
import { type CollectorOutcome, type CollectorRequest, createCollectorCore } from './core.ts';
import type { RejectedEvent } from './draft.ts';
import { anyRequest, receivedAt } from './fuzz.testing.ts';

const runs = Number(process.env['TRIBUTARY_TEST_RUNS'] ?? 2_000);
/** The same runs every time; another with TRIBUTARY_TEST_SEED. */
const seed = Number(process.env['TRIBUTARY_TEST_SEED'] ?? 20_261_124);
const core = createCollectorCore({ directory: aDirectory() });

const codes: ReadonlySet<string> = new Set(Object.keys(errorCatalogue));

/** A refusal says its code: as a catalogue error, in the words of the vendor's form, or in a header. */
function codeIn({ response }: CollectorOutcome): string | undefined {
  const { body: text, headers: sent } = response;
  const said = sent['x-error-code'] ?? /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? /"([A-Z_]{5,}): /.exec(text)?.[1];
  return said !== undefined && codes.has(said) ? said : undefined;
}

/** What the runs met, by wire format; a run that meets nothing would prove nothing. */
const met = { stored: new Set<string>(), dead: new Set<string>(), refused: new Set<string>() };

function check(given: CollectorRequest): void {
  const outcome = core.handle(given);
  const { status } = outcome.response;
  if (status >= 500) throw new Error(`${status}: ${outcome.response.body}`);
  if (outcome.kind === 'refused' && codeIn(outcome) === undefined)
    throw new Error(`refused without a code: ${status} ${outcome.response.body}`);
  if (outcome.kind === 'refused') met.refused.add(codeIn(outcome)!);
  if (outcome.kind !== 'store') return;
  for (const { bytes, start, end } of pendingOf(outcome.lines)) checkLine(bytes.toString('utf8', start, end));
  for (const { code, payload, source_format } of outcome.deadLetters) {
    met.dead.add(source_format);
    if (!codes.has(code)) throw new Error(`a dead letter with the code ${code}`);
    if (payload.length > limits.eventBytes) throw new Error('a dead letter over the limit');
    JSON.parse(payload === '' ? 'null' : payload);
  }
  const told = rejectedIn(outcome.response.body);
  if (told !== undefined && told.length !== outcome.deadLetters.length)
    throw new Error(`${told.length} told, ${outcome.deadLetters.length} dead letters`);
}

/** A line lacks what its block gives it, and the closing brace. */
function checkLine(line: string): void {
  const event = JSON.parse(`${line}}`) as Record<string, unknown>;
  for (const field of ['tenant_id', 'app_id', 'source_format', 'event_id', 'event_name', 'event_kind', 'device_key'])
    if (typeof event[field] !== 'string' || event[field] === '') throw new Error(`${field} is missing in ${line}`);
  if (event['app_id'] !== 'app_1' || event['tenant_id'] !== 'ten_1') throw new Error(`another app in ${line}`);
  met.stored.add(String(event['source_format']));
  if (event['received_at'] !== receivedAt) throw new Error(`another time of receipt in ${line}`);
  const properties: unknown = JSON.parse((event['properties'] as string | undefined) ?? '{}');
  if (typeof properties !== 'object' || properties === null) throw new Error(`properties are no object in ${line}`);
}

function rejectedIn(text: string): readonly RejectedEvent[] | undefined {
  try {
    return (JSON.parse(text) as { rejected?: RejectedEvent[] }).rejected;
  } catch {
    return undefined;
  }
}

/** What is still held after a collection; the size of the process says more of the generator's garbage. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it(
  `no body on any route makes a fault, and each refused event is a dead letter or told its code (${runs} runs)`,
  () => {
    fc.assert(fc.property(anyRequest, check), { numRuns: Math.min(runs, 500), seed });
    const before = heldBytes();
    // In slices, since fast-check keeps something of every run of one call.
    for (let done = 500; done < runs; done += 500)
      fc.assert(fc.property(anyRequest, check), { numRuns: Math.min(500, runs - done), seed: seed + done });
    const grownBytes = heldBytes() - before;
    if (runs > 2_000) console.info(`grown by ${(grownBytes / 1_048_576).toFixed(1)} MB after ${runs} runs`);
    expect(grownBytes).toBeLessThan(64 * 1_048_576);
    // A tracking link's click is always an event.
    expect([...met.stored].sort()).toEqual([...sourceFormats].sort());
    expect([...met.dead].sort()).toEqual(sourceFormats.filter((format) => format !== 'link').sort());
    expect([...met.refused]).toEqual(
      expect.arrayContaining(['UNAUTHENTICATED', 'BODY_UNPARSABLE', 'BODY_EMPTY', 'NOT_FOUND', 'METHOD_NOT_ALLOWED']),
    );
  },
  60_000 + runs * 20,
);

it('no request of theirs brings the server down', async () => {
  const collector = await openTestCollector();
  const send = async ({ method, path, query: asked, authorization: key, body: sent, header }: CollectorRequest) => {
    const given = ['content-type', 'openpanel-client-id', 'x-write-key', 'authentication', 'anonymousid'];
    const all = given.flatMap((field) => (header(field) === undefined ? [] : [[field, header(field)!]]));
    const response = await fetch(`${collector.url}${path}?${encodeURI(asked.toWellFormed())}`, {
      method,
      headers: { ...Object.fromEntries(all), ...(key === undefined ? {} : { authorization: key }) },
      redirect: 'manual',
      ...(method === 'POST' ? { body: sent as BodyInit } : {}),
    });
    await response.arrayBuffer();
    if (response.status >= 500) throw new Error(`${response.status} at ${path}`);
  };
  try {
    await fc.assert(fc.asyncProperty(anyRequest, send), { numRuns: 300, seed });
    expect((await collector.post(JSON.stringify(anEvent()))).status).toBe(200);
  } finally {
    await collector.dispose();
  }
}, 60_000);
