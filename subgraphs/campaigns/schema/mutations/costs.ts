import {
  allocateCost,
  createCostImport,
  importCosts,
  recordCostsCommand,
  removeCostsCommand,
  runCostImport,
  setFxRates,
  updateCostImport,
} from '@tributary/prisma/commands';
import { CodedError, costImportLimits, costMappingSchema, sealText } from '@tributary/schema';
import type { SubgraphContext } from '../../../src/kit.ts';
import { parseCostTable } from '../../domain/cost-table.ts';
import { addMutation, type InputBuilder, type MutationKit, rowField } from './define.ts';

const day = (t: InputBuilder, description: string) => t.field({ type: 'Date', required: true, description });

function addMappingInput({ kit, enums }: MutationKit) {
  return kit.builder.inputType('CostMappingInput', {
    description: 'Where the parts of a cost row stand in a table: column names (CSV) or dotted paths in a row (JSON).',
    fields: (t) => ({
      rows: t.string({ description: 'JSON: path of the list of rows; the document itself when left out.' }),
      campaign: t.string({ description: 'Default `campaign_id`.' }),
      campaignBy: t.field({ type: enums.CampaignBy, description: 'What that column holds. Default ID.' }),
      day: t.string({ description: 'Default `day`.' }),
      amount: t.string({ description: 'Default `amount`.' }),
      currency: t.string({ description: 'Default `currency`; the column may be absent.' }),
      fixedCurrency: t.string({ description: 'ISO 4217 of rows without one; the app’s when left out.' }),
      separator: t.string({ description: 'CSV: one character. Default `,`.' }),
      divideBy: t.int({ description: '1, 100, 1,000 or 1,000,000 (micros). Default 1.' }),
    }),
  });
}

/** The rows of an uploaded table, or its faults as user errors. */
function tableToCommand(input: Record<string, unknown>): Record<string, unknown> {
  const text = String(input['csv']);
  if (Buffer.byteLength(text) > costImportLimits.bytes) refuseTable('table', `over ${costImportLimits.bytes} bytes`);
  const parsed = costMappingSchema.safeParse(input['mapping'] ?? {});
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => ({
      field: ['mapping', ...path.map(String)],
      message,
    }));
    throw new CodedError('BAD_USER_INPUT', { message: 'The mapping can’t be used.', details: { issues } });
  }
  const table = parseCostTable(text, 'CSV', parsed.data);
  if (!table.ok) {
    const issues = table.faults.map(({ place, message }) => ({ field: ['csv', place], message }));
    throw new CodedError('BAD_USER_INPUT', { message: 'The table has faults.', details: { issues } });
  }
  const by = parsed.data.campaignBy === 'NAME' ? 'campaignName' : 'campaignId';
  return { rows: table.rows.map(({ campaign, ...row }) => ({ ...row, [by]: campaign })), origin: 'csv' };
}

function refuseTable(place: string, message: string): never {
  throw new CodedError('BAD_USER_INPUT', { message, details: { issues: [{ field: ['csv', place], message }] } });
}

function addRowMutations(m: MutationKit, Mapping: ReturnType<typeof addMappingInput>): void {
  const { kit, enums } = m;
  const Row = kit.builder.inputType('CostRowInput', {
    description: 'What a campaign cost on a day.',
    fields: (t) => ({
      campaignId: t.id({ description: 'The campaign; or `campaignName`.' }),
      campaignName: t.string({ description: 'Its name, if only one campaign has it.' }),
      day: day(t, 'Of the app’s time zone.'),
      amount: t.field({ type: 'Decimal', required: true, description: 'In units of the currency, up to 6 decimals.' }),
      currency: t.string({ description: 'ISO 4217; converted by the day’s rate. The app’s when left out.' }),
    }),
  });
  const rows = 'How many days’ figures were written.';
  addMutation(m, {
    command: recordCostsCommand,
    description: 'Sets what campaigns cost by day, all rows or none; a day’s figure given again replaces the first.',
    input: (t) => ({ rows: t.field({ type: [Row], required: true, description: '1…20,000 rows.' }) }),
    payload: (t) => ({
      rows: t.int({ nullable: true, description: rows, resolve: ({ result }) => result?.rows ?? null }),
    }),
  });
  addMutation(m, {
    command: importCosts,
    description: 'Sets costs from a CSV text, all rows or none; a day’s figure given again replaces the first.',
    input: (t) => ({
      csv: t.string({ required: true, description: 'RFC 4180, first line = column names; up to 2 MiB, 20,000 rows.' }),
      mapping: t.field({ type: Mapping, description: 'Which columns hold what.' }),
    }),
    toCommand: tableToCommand,
    payload: (t) => ({
      rows: t.int({ nullable: true, description: rows, resolve: ({ result }) => result?.rows ?? null }),
    }),
  });
  addMutation(m, {
    command: allocateCost,
    description: 'Spreads a lump sum evenly over days; the parts add up to it exactly.',
    input: (t) => ({
      campaignId: t.id({ required: true, description: 'The campaign.' }),
      amount: t.field({ type: 'Decimal', required: true, description: 'The whole sum.' }),
      currency: t.string({ description: 'ISO 4217; the app’s when left out.' }),
      firstDay: day(t, 'Inclusive.'),
      lastDay: day(t, 'Inclusive; at most 400 days.'),
      mode: t.field({ type: enums.AllocationMode, description: 'Default ADD.' }),
    }),
    payload: (t) => ({
      days: t.int({
        nullable: true,
        description: 'Over how many days.',
        resolve: ({ result }) => result?.rows ?? null,
      }),
    }),
  });
  addMutation(m, {
    command: removeCostsCommand,
    description: 'Deletes a campaign’s figures of days.',
    input: (t) => ({
      campaignId: t.id({ required: true, description: 'The campaign.' }),
      firstDay: day(t, 'Inclusive.'),
      lastDay: day(t, 'Inclusive.'),
      confirm: t.boolean({ required: true, description: 'Must be true: the figures are deleted.' }),
    }),
    payload: (t) => ({
      rows: t.int({ nullable: true, description: 'How many went.', resolve: ({ result }) => result?.rows ?? null }),
    }),
  });
}

function addRateMutation(m: MutationKit): void {
  const Rate = m.kit.builder.inputType('FxRateInput', {
    description: 'What a currency was worth on a day.',
    fields: (t) => ({
      day: day(t, 'From this day on, until a later one is given; 31 days at most.'),
      from: t.string({ required: true, description: 'One of this, ISO 4217…' }),
      to: t.string({ required: true, description: '…is worth so many of this.' }),
      rate: t.string({ required: true, description: 'How many; decimal text of up to 12 decimals.' }),
    }),
  });
  addMutation(m, {
    command: setFxRates,
    description: 'Sets dated rates of exchange; costs that were converted by them are computed anew.',
    input: (t) => ({ rates: t.field({ type: [Rate], required: true, description: '1…5,000 rates.' }) }),
    payload: (t) => ({
      rates: t.int({
        nullable: true,
        description: 'How many were set.',
        resolve: ({ result }) => result?.rates ?? null,
      }),
      costsConverted: t.int({
        nullable: true,
        description: 'How many costs changed by it.',
        resolve: ({ result }) => result?.costsConverted ?? null,
      }),
    }),
  });
}

function addImportMutations(m: MutationKit, Mapping: ReturnType<typeof addMappingInput>): void {
  const { enums, types, deps } = m;
  const { costImport, job } = deps.loaders;
  const sealed = ({ headerValue, ...input }: Record<string, unknown>) => ({
    ...input,
    ...(headerValue === undefined
      ? {}
      : { headerSealed: headerValue === null ? null : sealText(String(headerValue), deps.signingSecret) }),
  });
  const settings = (t: InputBuilder, required: boolean) => ({
    name: t.string({ required, description: 'For people; unique.' }),
    url: t.string({
      required,
      description: 'http(s); read by GET. Private addresses are refused unless the installation allows them.',
    }),
    format: t.field({ type: enums.CostFormat, required, description: 'How it writes its table.' }),
    mapping: t.field({ type: Mapping, required, description: 'Where the parts of a row stand.' }),
    intervalMinutes: t.int({ required, description: 'From one pull to the next, 15…44,640 minutes.' }),
    headerName: t.string({ description: 'A header to send, e.g. `Authorization`.' }),
    headerValue: t.string({ description: 'Its value; kept sealed and never shown.' }),
    enabled: t.boolean({ description: 'Whether the schedule runs. Default true.' }),
  });
  addMutation(m, {
    command: createCostImport,
    description: 'Makes a source that costs are pulled from on a schedule, at once for the first time.',
    input: (t) => settings(t, true),
    toCommand: sealed,
    payload: (t) => ({ costImport: rowField(t, types.CostImport, costImport, 'The source.') }),
  });
  addMutation(m, {
    command: updateCostImport,
    description: 'Changes a source; what is left out stays. A new origin needs the header’s value again.',
    clearable: ['headerName', 'headerValue'],
    input: (t) => ({ importId: t.id({ required: true, description: 'The source.' }), ...settings(t, false) }),
    toCommand: sealed,
    payload: (t) => ({ costImport: rowField(t, types.CostImport, costImport, 'The source.') }),
  });
  addMutation(m, {
    command: runCostImport,
    description: 'Pulls a source now, as a job that `jobProgress` follows.',
    input: (t) => ({ importId: t.id({ required: true, description: 'The source.' }) }),
    payload: (t) => ({
      costImport: rowField(t, types.CostImport, costImport, 'The source.'),
      job: t.field({
        type: types.Job,
        nullable: true,
        description: 'The pull.',
        resolve: ({ result }, _args, context: SubgraphContext) =>
          result === null ? null : job(context).load(result.jobId),
      }),
    }),
  });
}

/** Costs, rates and sources. */
export function addCostMutations(m: MutationKit): void {
  const Mapping = addMappingInput(m);
  addRowMutations(m, Mapping);
  addRateMutation(m);
  addImportMutations(m, Mapping);
}
