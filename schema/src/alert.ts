import { z } from 'zod';

/** What an alert may watch. Money is in the app's currency; production events only. */
export const alertMetrics = ['EVENTS', 'INSTALLS', 'SESSIONS', 'PURCHASES', 'REVENUE', 'SPEND'] as const;
export type AlertMetric = (typeof alertMetrics)[number];

const watched = {
  metric: z.enum(alertMetrics),
  /** Only of this campaign; null = of the whole app. */
  campaignId: z.string().min(1).max(100).nullable().default(null),
  /** Only of this country, ISO 3166 alpha-2; null = of all. SPEND has no country. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .nullable()
    .default(null),
  /** Length of the window that is summed. SPEND comes by the day and takes whole days. */
  windowMinutes: z.int().min(5).max(10_080),
  /** The window ends this long ago, so that what is under way has arrived. */
  delayMinutes: z.int().min(0).max(1_440).default(2),
  /** After it fired it is silent this long, even if it came right and went wrong again. */
  cooldownMinutes: z.int().min(0).max(10_080).default(60),
};

/** Fires when the value is beyond a bound that the owner chose. */
const thresholdRule = z.object({
  kind: z.literal('THRESHOLD'),
  ...watched,
  direction: z.enum(['ABOVE', 'BELOW']),
  threshold: z.number(),
  /** It is over only once the value is back within the bound by this share of it, 0…1. */
  hysteresis: z.number().min(0).max(1).default(0.05),
});

/** Fires when the value is unlike the same weekday and time of the weeks before. */
const anomalyRule = z.object({
  kind: z.literal('ANOMALY'),
  ...watched,
  direction: z.enum(['ABOVE', 'BELOW', 'BOTH']).default('BOTH'),
  /** Robust z-score from which on it fires. */
  sensitivity: z.number().min(1).max(20).default(4),
  /** Share of `sensitivity` below which it is over, 0…1. */
  hysteresis: z.number().min(0).max(1).default(0.25),
  historyWeeks: z.int().min(3).max(26).default(8),
});

export const alertRuleSchema = z
  .discriminatedUnion('kind', [thresholdRule, anomalyRule])
  .refine((rule) => rule.metric !== 'SPEND' || (rule.country === null && rule.windowMinutes % 1_440 === 0), {
    error: 'SPEND takes windows of whole days (1,440 minutes) and no country',
    path: ['windowMinutes'],
  });
export type AlertRule = z.output<typeof alertRuleSchema>;
export type ThresholdRule = Extract<AlertRule, { kind: 'THRESHOLD' }>;
export type AnomalyRule = Extract<AlertRule, { kind: 'ANOMALY' }>;

/** A message about a firing, and how its sending went. */
export const alertDeliverySchema = z.object({
  channel: z.enum(['WEBHOOK', 'EMAIL']),
  target: z.string(),
  status: z.enum(['PENDING', 'SENT', 'FAILED']),
  attempts: z.int(),
  /** Of the last attempt; fit for the alert's owner. */
  error: z.string().nullable(),
});
export type AlertDelivery = z.output<typeof alertDeliverySchema>;
