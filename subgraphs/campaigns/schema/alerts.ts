import {
  type AlertDelivery,
  type AlertRule,
  alertDeliverySchema,
  alertRuleSchema,
  webhookSecretOf,
} from '@tributary/schema';
import { z } from 'zod';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  decodeCursor,
  encodeCursor,
  parsePage,
  type SubgraphKit,
} from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { CampaignsEnums } from './enums.ts';
import {
  type CampaignsTypes,
  includeArchived,
  notFound,
  requireAdmin,
  requireReader,
  type SchemaDeps,
  shown,
} from './types.ts';

/** Number of a row in a stream, as text: it is beyond what JSON's numbers hold for good. */
export const sequenceCursor = z.tuple([z.string().regex(/^\d{1,18}$/)]);

function addRule({ builder }: SubgraphKit, enums: CampaignsEnums) {
  return builder.objectRef<AlertRule>('AlertRule').implement({
    tag: 'internal',
    description: 'What is watched, and when it is wrong.',
    fields: (t) => ({
      kind: t.expose('kind', { type: enums.AlertKind, description: 'A bound, or unlike its history.' }),
      metric: t.expose('metric', { type: enums.AlertMetric, description: 'What is summed.' }),
      campaignId: t.exposeID('campaignId', { nullable: true, description: 'Only of this campaign; null = of all.' }),
      country: t.exposeString('country', { nullable: true, description: 'Only of this country; null = of all.' }),
      windowMinutes: t.exposeInt('windowMinutes', { description: 'Length of the window, in minutes.' }),
      delayMinutes: t.exposeInt('delayMinutes', { description: 'The window ended so long ago, in minutes.' }),
      cooldownMinutes: t.exposeInt('cooldownMinutes', { description: 'Silent so long after it fired, in minutes.' }),
      direction: t.expose('direction', { type: enums.AlertDirection, description: 'Which side is wrong.' }),
      hysteresis: t.exposeFloat('hysteresis', { description: 'Share of the bound by which it must come right, 0…1.' }),
      threshold: t.float({
        nullable: true,
        description: 'The bound; null for anomalies.',
        resolve: (rule) => (rule.kind === 'THRESHOLD' ? rule.threshold : null),
      }),
      sensitivity: t.float({
        nullable: true,
        description: 'Robust z-score from which on it fires; null for thresholds.',
        resolve: (rule) => (rule.kind === 'ANOMALY' ? rule.sensitivity : null),
      }),
      historyWeeks: t.int({
        nullable: true,
        description: 'Weeks that are compared with; null for thresholds.',
        resolve: (rule) => (rule.kind === 'ANOMALY' ? rule.historyWeeks : null),
      }),
    }),
  });
}

function addAlertType(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const Rule = addRule(kit, enums);
  const { loaders, signingSecret } = deps;
  types.Alert.implement({
    tag: 'internal',
    description: 'What is watched, and who is told.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people; stands in the messages.' }),
      app: t.field({
        type: types.App,
        nullable: true,
        description: 'The app that it watches.',
        resolve: ({ appId }, _args, context) => loaders.app(context).load(appId),
      }),
      rule: t.field({
        type: Rule,
        description: 'What is watched.',
        resolve: ({ rule }) => alertRuleSchema.parse(rule),
      }),
      webhookUrl: t.string({
        nullable: true,
        description: 'Where signed messages are posted; null = nowhere. Needs `admin`: the address may hold a secret.',
        resolve: ({ webhookUrl }, _args, context) => {
          requireAdmin(context);
          return webhookUrl;
        },
      }),
      webhookSecret: t.string({
        description: 'What `tributary-signature` of its webhooks is made with. Needs `admin`.',
        resolve: ({ id, secretVersion: version }, _args, context) => {
          requireAdmin(context);
          return webhookSecretOf({ tenantId: context.caller.tenantId, alertId: id, version }, signingSecret);
        },
      }),
      emails: t.stringList({
        tag: 'personal',
        description: 'Who is written to. Needs `admin`.',
        resolve: ({ emails }, _args, context) => {
          requireAdmin(context);
          return emails;
        },
      }),
      enabled: t.exposeBoolean('enabled', { description: 'Whether it is looked at.' }),
      state: t.expose('state', { type: enums.AlertState, description: 'How it stands.' }),
      stateAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'It stands so since then; null = since it was made.',
        resolve: ({ stateAt }) => stateAt?.getTime() ?? null,
      }),
      lastFiredAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'It fired last; null = never.',
        resolve: ({ lastFiredAt }) => lastFiredAt?.getTime() ?? null,
      }),
      evaluatedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'It was looked at last; null = never.',
        resolve: ({ evaluatedAt }) => evaluatedAt?.getTime() ?? null,
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

function addFiring(kit: SubgraphKit, types: CampaignsTypes, { loaders }: SchemaDeps): void {
  const Delivery = kit.builder.objectRef<AlertDelivery>('AlertDelivery').implement({
    tag: 'internal',
    description: 'A message about a firing.',
    fields: (t) => ({
      channel: t.exposeString('channel', { description: '`WEBHOOK` or `EMAIL`.' }),
      target: t.exposeString('target', { tag: 'personal', description: 'Address or host that it goes to.' }),
      status: t.exposeString('status', { description: '`PENDING`, `SENT` or `FAILED`.' }),
      attempts: t.exposeInt('attempts', { description: 'Attempts so far.' }),
      error: t.exposeString('error', { nullable: true, description: 'Why the last attempt failed.' }),
    }),
  });
  types.AlertFiring.implement({
    tag: 'internal',
    description: 'An alert that fired.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      alert: t.field({
        type: types.Alert,
        nullable: true,
        description: 'The alert.',
        resolve: ({ alertId }, _args, context) => loaders.alert(context).load(alertId),
      }),
      at: t.field({ type: 'DateTime', description: 'When it fired.', resolve: (row) => row.at.getTime() }),
      windowFrom: t.field({
        type: 'DateTime',
        description: 'Begin of the window, inclusive.',
        resolve: (row) => row.windowFrom.getTime(),
      }),
      windowTo: t.field({
        type: 'DateTime',
        description: 'End of the window, exclusive.',
        resolve: (row) => row.windowTo.getTime(),
      }),
      value: t.exposeFloat('value', { description: 'What the window held; money in the app’s currency.' }),
      bound: t.exposeFloat('bound', { description: 'What it crossed, in the same unit.' }),
      score: t.exposeFloat('score', { nullable: true, description: 'Robust z-score; null for thresholds.' }),
      deliveries: t.field({
        type: [Delivery],
        description: 'The messages about it. Needs `admin`.',
        resolve: ({ deliveries }, _args, context) => {
          requireAdmin(context);
          return z.array(alertDeliverySchema).parse(deliveries);
        },
      }),
    }),
  });
}

/** `Alert`, `AlertFiring`, and the queries of both. */
export function addAlerts(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { operations, loaders } = deps;
  addAlertType(kit, types, enums, deps);
  addFiring(kit, types, deps);
  const Firings = addConnection(kit, 'AlertFiring', types.AlertFiring, { tag: 'internal' });
  kit.builder.queryFields((t) => ({
    alerts: t.field({
      type: [types.Alert],
      tag: 'internal',
      description: 'Alerts that this key may read, by name.',
      args: { appId: t.arg.id({ description: 'Only of this app.' }), includeArchived: t.arg.boolean(includeArchived) },
      resolve: async (_root, { appId, ...args }, context) => {
        requireReader(context);
        const filter = appId == null ? {} : { appId: appId.replaceAll('\0', '') };
        return shown(await operations.readAlerts(reachOf(context), filter), args.includeArchived);
      },
    }),
    alert: t.field({
      type: types.Alert,
      nullable: true,
      tag: 'internal',
      description: 'One alert. NOT_FOUND when there is none of that id that this key may read.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      resolve: async (_root, { id }, context) => {
        requireReader(context);
        const row = await loaders.alert(context).load(id);
        if (!row) throw notFound('alert', id);
        return row;
      },
    }),
    alertFirings: t.field({
      type: Firings,
      tag: 'internal',
      description: 'What fired in an app, newest first.',
      args: {
        appId: t.arg.id({ required: true, description: 'The app.' }),
        alertId: t.arg.id({ description: 'Only of this alert.' }),
        ...connectionArgs(t.arg),
      },
      resolve: async (_root, { appId, alertId, ...args }, context) => {
        requireReader(context);
        const page = parsePage(args);
        const beyond = page.after === null ? null : BigInt(decodeCursor(page.after, sequenceCursor)[0]);
        const app = await loaders.app(context).load(appId);
        if (!app) throw notFound('app', appId);
        const asked = {
          appId: app.id,
          alertId: alertId?.replaceAll('\0', ''),
          order: 'newest',
          beyond,
          limit: page.limit,
        } as const;
        const rows = await operations.readFirings(reachOf(context), asked);
        return connectionOf(rows, page, ({ sequence }) => encodeCursor([String(sequence)]));
      },
    }),
  }));
}
