import { alertRuleSchema, newId } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import { name } from '../inputs.ts';
import { type CommandScope, defineCommand } from './command.ts';
import { given, idInput, ownRow, refuseField, requireOwnApp, requireOwnCampaign } from './scope.ts';

/** Alerts: what is watched, and who is told. */

const settings = z.object({
  name,
  rule: alertRuleSchema,
  webhookUrl: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .nullish(),
  emails: z
    .array(
      z
        .email()
        .max(320)
        .transform((value) => value.toLowerCase()),
    )
    .max(20)
    .optional(),
  enabled: z.boolean().optional(),
});

async function requireFittingRule(scope: CommandScope, appId: string, rule: z.output<typeof alertRuleSchema>) {
  if (rule.campaignId === null) return;
  const campaign = await requireOwnCampaign(scope, rule.campaignId);
  if (campaign.appId !== appId) throw notFound('campaign', rule.campaignId);
}

function requireSomebody(alert: {
  webhookUrl?: string | null | undefined;
  emails?: readonly string[] | undefined;
}): void {
  if (!alert.webhookUrl && (alert.emails ?? []).length === 0)
    refuseField('webhookUrl', 'give a webhook or an address: nobody would be told');
}

export const createAlert = defineCommand({
  operation: 'createAlert',
  input: settings.extend({ appId: idInput }),
  run: async (scope, { appId, ...fields }) => {
    await requireOwnApp(scope, appId);
    await requireFittingRule(scope, appId, fields.rule);
    requireSomebody(fields);
    const id = newId('alert');
    const row = { appId, ...given(fields), emails: [...new Set(fields.emails ?? [])] };
    await scope.tx.alert.create({ data: { id, tenantId: scope.tenantId, ...row } as never });
    return { result: { id }, audit: [{ action: 'alert.created', subjectId: id, after: withoutAddresses(row) }] };
  },
});

/** A changed rule starts as not firing. */
export const updateAlert = defineCommand({
  operation: 'updateAlert',
  input: settings.partial().extend({ alertId: idInput }),
  run: async (scope, { alertId, ...fields }) => {
    const before = await requireAlert(scope, alertId);
    if (fields.rule) await requireFittingRule(scope, before.appId, fields.rule);
    const after = { ...given(fields), ...(fields.emails ? { emails: [...new Set(fields.emails)] } : {}) };
    requireSomebody({ ...before, ...after } as never);
    const restart = fields.rule || fields.enabled === false ? { state: 'OK', stateAt: new Date(scope.nowMs) } : {};
    await scope.tx.alert.updateMany({
      where: { id: alertId, tenantId: scope.tenantId },
      data: { ...after, ...restart } as never,
    });
    return {
      result: { id: alertId },
      audit: [
        {
          action: 'alert.updated',
          subjectId: alertId,
          before: withoutAddresses(before),
          after: withoutAddresses({ ...before, ...after }),
        },
      ],
    };
  },
});

/** From now on webhooks are signed with another secret. */
export const rotateAlertSecret = defineCommand({
  operation: 'rotateAlertSecret',
  input: z.object({ alertId: idInput }),
  run: async (scope, { alertId }) => {
    const before = await requireAlert(scope, alertId);
    const secretVersion = before.secretVersion + 1;
    await scope.tx.alert.updateMany({ where: { id: alertId, tenantId: scope.tenantId }, data: { secretVersion } });
    return {
      result: { id: alertId },
      audit: [
        {
          action: 'alert.secret_rotated',
          subjectId: alertId,
          before: { secretVersion: before.secretVersion },
          after: { secretVersion },
        },
      ],
    };
  },
});

async function requireAlert(scope: CommandScope, alertId: string) {
  const alert = ownRow(scope, await scope.tx.alert.findFirst({ where: { id: alertId, tenantId: scope.tenantId } }));
  if (!alert) throw notFound('alert', alertId);
  await requireOwnApp(scope, alert.appId);
  return alert;
}

/** The audit log names nobody's address: it is kept for good. */
const withoutAddresses = (row: Readonly<Record<string, unknown>>) => {
  const { emails, webhookUrl, state: _, stateAt: __, ...rest } = row;
  return {
    ...rest,
    // Its path may be a secret.
    webhookUrl: typeof webhookUrl === 'string' ? new URL(webhookUrl).origin : null,
    emails: Array.isArray(emails) ? `${emails.length} address(es)` : null,
  };
};
