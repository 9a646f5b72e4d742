import { z } from 'zod';

/** Where the parts of a cost row stand in somebody's table: column names (CSV) or dotted paths within a row (JSON). */
export const costMappingSchema = z.object({
  /** JSON: dotted path of the list of rows; '' = the document itself. */
  rows: z.string().max(200).default(''),
  campaign: z.string().min(1).max(200).default('campaign_id'),
  /** What the campaign column holds. */
  campaignBy: z.enum(['ID', 'NAME']).default('ID'),
  day: z.string().min(1).max(200).default('day'),
  amount: z.string().min(1).max(200).default('amount'),
  /** null = all rows are in `fixedCurrency`. */
  currency: z.string().min(1).max(200).nullable().default('currency'),
  /** ISO 4217; for rows without one. null = the app's. */
  fixedCurrency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .nullable()
    .default(null),
  /** CSV: one character between fields. */
  separator: z.string().length(1).default(','),
  /** Amounts are divided by this: 1,000,000 for micros, 100 for cents. */
  divideBy: z.union([z.literal(1), z.literal(100), z.literal(1_000), z.literal(1_000_000)]).default(1),
});
export type CostMapping = z.output<typeof costMappingSchema>;

/** Bounds of one import, by upload or by pull. */
export const costImportLimits = { bytes: 2_097_152, rows: 20_000, timeoutMs: 20_000, redirects: 3 } as const;
