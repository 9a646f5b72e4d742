import {
  createAlert,
  createSavedReport,
  rotateAlertSecret,
  updateAlert,
  updateSavedReport,
} from '@tributary/prisma/commands';
import { addMutation, type InputBuilder, type MutationKit, rowField } from './define.ts';

function addRuleInput({ kit, enums }: MutationKit) {
  return kit.builder.inputType('AlertRuleInput', {
    description: 'What to watch. THRESHOLD takes `threshold`; ANOMALY takes `sensitivity` and `historyWeeks`.',
    fields: (t) => ({
      kind: t.field({ type: enums.AlertKind, required: true, description: 'A bound, or unlike its history.' }),
      metric: t.field({ type: enums.AlertMetric, required: true, description: 'What is summed.' }),
      campaignId: t.id({ description: 'Only of this campaign.' }),
      country: t.string({ description: 'Only of this country, ISO 3166 alpha-2.' }),
      windowMinutes: t.int({ required: true, description: '5…10,080 minutes; SPEND takes whole days.' }),
      delayMinutes: t.int({ description: 'How long ago the window ends, 0…1,440 minutes. Default 2.' }),
      cooldownMinutes: t.int({ description: 'Silent so long after it fired, 0…10,080 minutes. Default 60.' }),
      direction: t.field({ type: enums.AlertDirection, description: 'Which side is wrong; required for THRESHOLD.' }),
      hysteresis: t.float({ description: 'Share of the bound by which it must come right, 0…1.' }),
      threshold: t.float({ description: 'The bound; money in the app’s currency.' }),
      sensitivity: t.float({ description: 'Robust z-score from which on it fires, 1…20. Default 4.' }),
      historyWeeks: t.int({ description: 'Weeks to compare with, 3…26. Default 8.' }),
    }),
  });
}

function addAlertChanges(m: MutationKit): void {
  const { types, deps } = m;
  const { alert } = deps.loaders;
  const Rule = addRuleInput(m);
  const settings = (t: InputBuilder, required: boolean) => ({
    name: t.string({ required, description: 'For people; stands in the messages.' }),
    rule: t.field({ type: Rule, required, description: 'What is watched.' }),
    webhookUrl: t.string({ description: 'http(s); signed messages are posted there.' }),
    emails: t.stringList({ description: 'Who is written to, at most 20.' }),
    enabled: t.boolean({ description: 'Whether it is looked at. Default true.' }),
  });
  addMutation(m, {
    command: createAlert,
    description: 'Makes an alert. `Alert.webhookSecret` is what its webhooks are signed with.',
    input: (t) => ({ appId: t.id({ required: true, description: 'The app.' }), ...settings(t, true) }),
    payload: (t) => ({ alert: rowField(t, types.Alert, alert, 'The alert.') }),
  });
  addMutation(m, {
    command: updateAlert,
    description: 'Changes an alert; what is left out stays. A changed rule starts as OK.',
    clearable: ['webhookUrl'],
    input: (t) => ({ alertId: t.id({ required: true, description: 'The alert.' }), ...settings(t, false) }),
    payload: (t) => ({ alert: rowField(t, types.Alert, alert, 'The alert.') }),
  });
  addMutation(m, {
    command: rotateAlertSecret,
    description: 'Gives an alert’s webhooks another signing secret at once.',
    input: (t) => ({ alertId: t.id({ required: true, description: 'The alert.' }) }),
    payload: (t) => ({ alert: rowField(t, types.Alert, alert, 'The alert.') }),
  });
}

function addReportChanges(m: MutationKit): void {
  const { types, deps } = m;
  const { savedReport } = deps.loaders;
  addMutation(m, {
    command: createSavedReport,
    scope: 'read:reports',
    description: 'Keeps a report’s question for later.',
    input: (t) => ({
      appId: t.id({ required: true, description: 'The app.' }),
      name: t.string({ required: true, description: '1…200 characters; unique in the app.' }),
      definition: t.field({ type: 'JSON', required: true, description: 'The arguments of `report`; an object.' }),
    }),
    payload: (t) => ({ savedReport: rowField(t, types.SavedReport, savedReport, 'The saved report.') }),
  });
  addMutation(m, {
    command: updateSavedReport,
    scope: 'read:reports',
    description: 'Changes a saved report; what is left out stays.',
    input: (t) => ({
      reportId: t.id({ required: true, description: 'The saved report.' }),
      name: t.string({ description: '1…200 characters; unique in the app.' }),
      definition: t.field({ type: 'JSON', description: 'The arguments of `report`; an object.' }),
    }),
    payload: (t) => ({ savedReport: rowField(t, types.SavedReport, savedReport, 'The saved report.') }),
  });
}

/** Alerts and saved reports. */
export function addAlertMutations(m: MutationKit): void {
  addAlertChanges(m);
  addReportChanges(m);
}
