import { type CostMapping, costMappingSchema } from '@tributary/schema';
import { z } from 'zod';
import type { SubgraphKit } from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { CampaignsEnums } from './enums.ts';
import {
  type CampaignsTypes,
  includeArchived,
  requireReader,
  requireTenantAdmin,
  type SchemaDeps,
  shown,
} from './types.ts';

const runSchema = z.object({ ok: z.boolean(), rows: z.number(), message: z.string().nullable() });

function addCostImport({ builder }: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums): void {
  const Mapping = builder.objectRef<CostMapping>('CostMapping').implement({
    tag: 'internal',
    description: 'Where the parts of a cost row stand in a table: column names (CSV) or dotted paths in a row (JSON).',
    fields: (t) => ({
      rows: t.exposeString('rows', { description: 'JSON: path of the list of rows; empty = the document.' }),
      campaign: t.exposeString('campaign', { description: 'The campaign.' }),
      campaignBy: t.expose('campaignBy', { type: enums.CampaignBy, description: 'What that column holds.' }),
      day: t.exposeString('day', { description: 'The day: YYYY-MM-DD, YYYYMMDD or a time that begins so.' }),
      amount: t.exposeString('amount', { description: 'The amount, a plain decimal.' }),
      currency: t.exposeString('currency', { nullable: true, description: 'Its currency; null = no such column.' }),
      fixedCurrency: t.exposeString('fixedCurrency', {
        nullable: true,
        description: 'ISO 4217 of rows without one; null = the app’s.',
      }),
      separator: t.exposeString('separator', { description: 'CSV: the character between fields.' }),
      divideBy: t.exposeInt('divideBy', { description: 'Amounts are divided by it: 1, 100, 1,000 or 1,000,000.' }),
    }),
  });
  const Run = builder.objectRef<z.output<typeof runSchema>>('CostImportRun').implement({
    tag: 'internal',
    description: 'How a pull went.',
    fields: (t) => ({
      ok: t.exposeBoolean('ok', { description: 'Whether its rows are in.' }),
      rows: t.exposeInt('rows', { description: 'How many; all of the source’s or none.' }),
      message: t.exposeString('message', { nullable: true, description: 'What was wrong.' }),
    }),
  });
  types.CostImport.implement({
    tag: 'internal',
    description: 'A source that costs are pulled from on a schedule.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people; unique.' }),
      url: t.exposeString('url', { description: 'What is read by GET.' }),
      format: t.expose('format', { type: enums.CostFormat, description: 'How it writes its table.' }),
      mapping: t.field({
        type: Mapping,
        description: 'Where the parts of a row stand.',
        resolve: ({ mapping }) => costMappingSchema.parse(mapping),
      }),
      headerName: t.exposeString('headerName', {
        nullable: true,
        description: 'A header that is sent, e.g. `Authorization`; its value is never shown.',
      }),
      intervalMinutes: t.exposeInt('intervalMinutes', { description: 'From one pull to the next, in minutes.' }),
      enabled: t.exposeBoolean('enabled', { description: 'Whether the schedule runs.' }),
      nextRunAt: t.field({
        type: 'DateTime',
        description: 'The next pull by schedule.',
        resolve: (row) => row.nextRunAt.getTime(),
      }),
      lastRunAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'The last pull; null = none yet.',
        resolve: (row) => row.lastRunAt?.getTime() ?? null,
      }),
      lastRun: t.field({
        type: Run,
        nullable: true,
        description: 'How it went.',
        resolve: ({ lastResult }) => (lastResult === null ? null : runSchema.parse(lastResult)),
      }),
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Put away since then; null = in use.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
}

/** `CostImport`, `FxRate`, and the queries of both. */
export function addCosts(
  kit: SubgraphKit,
  types: CampaignsTypes,
  enums: CampaignsEnums,
  { operations }: SchemaDeps,
): void {
  addCostImport(kit, types, enums);
  types.FxRate.implement({
    description: 'What a currency was worth on a day.',
    fields: (t) => ({
      day: t.field({
        type: 'Date',
        description: 'From this day on.',
        resolve: (row) => row.day.toISOString().slice(0, 10),
      }),
      from: t.exposeString('from', { description: 'One of this, ISO 4217…' }),
      to: t.exposeString('to', { description: '…was worth so many of this.' }),
      rate: t.string({
        description: 'How many; decimal text of up to 12 decimals.',
        resolve: ({ rate }) => String(rate.toFixed()),
      }),
    }),
  });
  kit.builder.queryFields((t) => ({
    costImports: t.field({
      type: [types.CostImport],
      tag: 'internal',
      description: 'Sources of costs, by name. Needs `admin`.',
      args: { includeArchived: t.arg.boolean(includeArchived) },
      resolve: async (_root, args, context) => {
        requireTenantAdmin(context);
        return shown(await operations.readCostImports(reachOf(context)), args.includeArchived);
      },
    }),
    fxRates: t.field({
      type: [types.FxRate],
      description: 'Dated rates of exchange, newest first, at most 1,000.',
      args: {
        firstDay: t.arg({ type: 'Date', required: true, description: 'Inclusive.' }),
        lastDay: t.arg({ type: 'Date', required: true, description: 'Inclusive.' }),
        from: t.arg.string({ description: 'Only from this currency.' }),
        to: t.arg.string({ description: 'Only to this currency.' }),
      },
      resolve: (_root, { firstDay, lastDay, from, to }, context) => {
        requireReader(context);
        return operations.readFxRates(reachOf(context), {
          firstDay,
          lastDay,
          ...(from == null ? {} : { from: from.replaceAll('\0', '') }),
          ...(to == null ? {} : { to: to.replaceAll('\0', '') }),
        });
      },
    }),
  }));
}
