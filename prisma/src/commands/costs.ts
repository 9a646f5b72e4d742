import { costMappingSchema, newId } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import { amount, currency, name } from '../inputs.ts';
import { createJob } from '../jobs.ts';
import { defineCommand } from './command.ts';
import { campaignsByName, writeCosts } from './cost-rows.ts';
import { given as givenFields, idInput, ownRow, refuseField, requireOwnCampaign, requireWholeTenant } from './scope.ts';

/** Costs by rows, lump sums spread over days, and sources that are pulled. */

const day = z.iso.date();
const dayMs = 86_400_000;

/** Rows of costs, by campaign id or by name; a day's figure given again replaces the first. */
const recording = (operation: 'recordCosts' | 'importCosts') =>
  defineCommand({
    operation,
    topics: ['mirrors'],
    input: z.object({
      rows: z
        .array(
          z
            .object({
              campaignId: idInput.optional(),
              campaignName: name.optional(),
              day,
              amount,
              currency: currency.nullish(),
            })
            .refine((row) => (row.campaignId === undefined) !== (row.campaignName === undefined), {
              error: 'takes campaignId or campaignName',
              path: ['campaignId'],
            }),
        )
        .min(1)
        .max(20_000),
      /** Where the rows came from; for the audit log. */
      origin: z.string().max(100).optional(),
    }),
    run: async (scope, { rows, origin }) => {
      const names = rows.flatMap((row) => (row.campaignName === undefined ? [] : [row.campaignName]));
      const byName = names.length === 0 ? new Map<string, string | null>() : await campaignsByName(scope, names);
      const resolved = rows.map((row, place) => {
        const id = row.campaignId ?? byName.get(row.campaignName ?? '');
        if (id === null) refuseField(`rows.${place}.campaignName`, 'names several campaigns; give ids');
        if (id === undefined) refuseField(`rows.${place}.campaignName`, 'names no campaign of yours');
        return { campaignId: id, day: row.day, amount: row.amount, currency: row.currency ?? null };
      });
      const written = await writeCosts(scope, resolved, 'SET');
      const days = resolved.map((row) => row.day).sort();
      const facts = { rows: written, firstDay: days[0], lastDay: days.at(-1), origin: origin ?? 'rows' };
      const subjectId = resolved[0]?.campaignId ?? '';
      return { result: { rows: written }, audit: [{ action: 'costs.recorded', subjectId, facts }] };
    },
  });

export const recordCostsCommand = recording('recordCosts');
/** The same of an uploaded table. */
export const importCosts = recording('importCosts');

/** `total` in equal parts that add up to it exactly; what doesn't divide goes to the first days, a millionth each. */
export function spreadEvenly(total: string, parts: number): string[] {
  const negative = total.startsWith('-');
  const [whole = '0', fraction = ''] = total.replace('-', '').split('.');
  const micros = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
  const [each, rest] = [micros / BigInt(parts), Number(micros % BigInt(parts))];
  return Array.from({ length: parts }, (_, place) => {
    const part = each + (place < rest ? 1n : 0n);
    const text = `${part / 1_000_000n}.${String(part % 1_000_000n).padStart(6, '0')}`;
    return negative ? `-${text}` : text;
  });
}

/** A lump sum (a fee, an invoice) spread evenly over days, both ends included, beside or in place of their figures. */
export const allocateCost = defineCommand({
  operation: 'allocateCost',
  topics: ['mirrors'],
  input: z.object({
    campaignId: idInput,
    amount,
    currency: currency.nullish(),
    firstDay: day,
    lastDay: day,
    mode: z.enum(['ADD', 'SET']).default('ADD'),
  }),
  run: async (scope, given) => {
    await requireOwnCampaign(scope, given.campaignId);
    const [first, last] = [Date.parse(given.firstDay), Date.parse(given.lastDay)];
    const count = (last - first) / dayMs + 1;
    if (count < 1) refuseField('lastDay', 'lies before firstDay');
    if (count > 400) refuseField('lastDay', 'a sum is spread over 400 days at most');
    const rows = spreadEvenly(given.amount, count).map((part, place) => ({
      campaignId: given.campaignId,
      day: new Date(first + place * dayMs).toISOString().slice(0, 10),
      amount: part,
      currency: given.currency ?? null,
    }));
    await writeCosts(scope, rows, given.mode);
    const facts = { ...given, days: count };
    return { result: { rows: count }, audit: [{ action: 'costs.allocated', subjectId: given.campaignId, facts }] };
  },
});

/** Takes back a campaign's figures of days, both ends included. They are gone: hence `confirm`. */
export const removeCostsCommand = defineCommand({
  operation: 'removeCosts',
  topics: ['mirrors'],
  input: z.object({
    campaignId: idInput,
    firstDay: day,
    lastDay: day,
    confirm: z.literal(true, { error: 'must be true: the figures are deleted' }),
  }),
  run: async (scope, { campaignId, firstDay, lastDay }) => {
    await requireOwnCampaign(scope, campaignId);
    const { count } = await scope.tx.costRow.deleteMany({
      where: { tenantId: scope.tenantId, campaignId, day: { gte: new Date(firstDay), lte: new Date(lastDay) } },
    });
    const facts = { firstDay, lastDay, rows: count };
    return { result: { rows: count }, audit: [{ action: 'costs.removed', subjectId: campaignId, facts }] };
  },
});

const importSettings = z.object({
  name,
  url: z.url({ protocol: /^https?$/ }).max(2_000),
  format: z.enum(['CSV', 'JSON']),
  mapping: costMappingSchema,
  intervalMinutes: z.int().min(15).max(44_640),
  headerName: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,60}$/)
    .nullish(),
  /** Sealed by the caller of this command: it is kept as it comes. */
  headerSealed: z.string().max(8_000).nullish(),
  enabled: z.boolean().optional(),
});

/** For the audit log: the query of a source's URL may be a secret. */
function withoutQuery(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { url } = row;
  return { ...row, ...(typeof url === 'string' ? { url: url.replace(/\?.*$/, '?***') } : {}) };
}

export const createCostImport = defineCommand({
  operation: 'createCostImport',
  taken: 'There is an import of that name already, perhaps an archived one.',
  input: importSettings,
  run: async (scope, fields) => {
    requireWholeTenant(scope);
    const id = newId('import');
    const row = { ...givenFields(fields), nextRunAt: new Date(scope.nowMs) };
    await scope.tx.costImport.create({ data: { id, tenantId: scope.tenantId, ...row } as never });
    return { result: { id }, audit: [{ action: 'cost_import.created', subjectId: id, after: withoutQuery(row) }] };
  },
});

export const updateCostImport = defineCommand({
  operation: 'updateCostImport',
  taken: 'There is an import of that name already, perhaps an archived one.',
  input: importSettings.partial().extend({ importId: idInput }),
  run: async (scope, { importId, ...fields }) => {
    requireWholeTenant(scope);
    const where = { id: importId, tenantId: scope.tenantId };
    const before = ownRow(scope, await scope.tx.costImport.findFirst({ where }));
    if (!before) throw notFound('cost import', importId);
    // A secret goes to the host it was given for, and to no other that somebody enters later.
    const moved = fields.url !== undefined && new URL(fields.url).origin !== new URL(before.url).origin;
    if (moved && before.headerSealed !== null && fields.headerSealed === undefined) {
      refuseField('headerValue', 'give it again: the source moved to another origin');
    }
    const after = givenFields(fields);
    await scope.tx.costImport.updateMany({ where, data: after as never });
    return {
      result: { id: importId },
      audit: [
        {
          action: 'cost_import.updated',
          subjectId: importId,
          before: withoutQuery(before),
          after: withoutQuery({ ...before, ...after }),
        },
      ],
    };
  },
});

/** Pulls a source now, as a job that can be followed. */
export const runCostImport = defineCommand({
  operation: 'runCostImport',
  input: z.object({ importId: idInput }),
  run: async (scope, { importId }) => {
    requireWholeTenant(scope);
    const where = { id: importId, tenantId: scope.tenantId, archivedAt: null };
    const found = ownRow(scope, await scope.tx.costImport.findFirst({ where }));
    if (!found) throw notFound('cost import', importId);
    const jobId = await createJob(scope.tx, {
      tenantId: scope.tenantId,
      appId: null,
      kind: 'COST_IMPORT',
      input: { importId },
      createdBy: scope.actor,
      nowMs: scope.nowMs,
    });
    return {
      result: { id: importId, jobId },
      audit: [{ action: 'cost_import.run', subjectId: importId, facts: { jobId } }],
    };
  },
});
