import type { Clock } from '@tributary/platform/clock';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Logger } from '@tributary/platform/logger';
import type { AlertDelivery } from '@tributary/schema';
import {
  historyWindows,
  judgeAnomaly,
  judgeThreshold,
  type Window,
  windowOf,
} from '@tributary/subgraphs/campaigns/domain';
import type { MetricReader } from './metric-reader.ts';
import type { AlertStore, WatchedAlert } from './stores.ts';

export interface EvaluateDeps {
  readonly alerts: AlertStore;
  readonly metrics: MetricReader;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** An alert is looked at once in so long. */
  readonly everyMs: number;
  readonly mayMail: boolean;
}

const batch = 50;

/**
 * Looks at every alert that is due. An alert whose figures can't be read stays due and keeps its state: no news is not good
 * news. Returns how many were looked at and fired.
 */
export async function evaluateAlerts(
  deps: EvaluateDeps,
  stopped: () => boolean,
): Promise<{ readonly evaluated: number; readonly fired: number }> {
  const startedAt = deps.clock.now();
  const failed = new Set<string>();
  let evaluated = 0;
  let fired = 0;
  while (!stopped()) {
    const due = (await deps.alerts.readDueAlerts(startedAt - deps.everyMs, batch + failed.size)).filter(
      ({ alertId }) => !failed.has(alertId),
    );
    if (due.length === 0) break;
    for (const alert of due) {
      if (stopped()) break;
      try {
        if (await evaluate(deps, alert)) fired += 1;
        evaluated += 1;
      } catch (error) {
        failed.add(alert.alertId);
        deps.logger.warn({ err: error, alertId: alert.alertId }, 'an alert could not be looked at; it is tried again');
      }
    }
  }
  return { evaluated, fired };
}

async function evaluate(deps: EvaluateDeps, alert: WatchedAlert): Promise<boolean> {
  const { rule } = alert;
  const at = deps.clock.now();
  const window = windowOf(rule, at, alert.timezone);
  const read = (asked: Window) =>
    deps.metrics.readMetric({
      tenantId: alert.tenantId,
      appId: alert.appId,
      metric: rule.metric,
      campaignId: rule.campaignId,
      country: rule.country,
      currency: alert.currency,
      window: asked,
    });
  const value = await read(window);
  const judged =
    rule.kind === 'THRESHOLD'
      ? judgeThreshold(rule, alert, value, at)
      : judgeAnomaly(rule, alert, value, await readHistory(read, historyWindows(rule, window, alert.timezone)), at);
  if (judged.verdict !== 'fire') {
    await deps.alerts.recordEvaluation(alert, { at, firing: judged.verdict === 'hold' });
    return false;
  }
  const firing = {
    at,
    windowFrom: window.fromMs,
    windowTo: window.toMs,
    value,
    bound: judged.bound,
    score: judged.score,
  };
  const firingId = await deps.alerts.recordFiring(alert, firing, deliveriesOf(alert, deps.mayMail));
  if (firingId === null) return false;
  const { tenantId, appId, alertId } = alert;
  deps.liveBus.publish('alert.fired', { tenantId, appId, alertId, firingId, at });
  return true;
}

/** Weeks before the app's first events are no history: from the oldest week on that holds anything. */
async function readHistory(read: (window: Window) => Promise<number>, windows: readonly Window[]): Promise<number[]> {
  const values = await Promise.all(windows.map(read));
  const oldest = values.findLastIndex((value) => value !== 0);
  return values.slice(0, oldest + 1);
}

function deliveriesOf({ webhookUrl, emails }: WatchedAlert, mayMail: boolean): AlertDelivery[] {
  const pending = { status: 'PENDING', attempts: 0, error: null } as const;
  return [
    // The path and query of a webhook may be its secret; its host is enough to know it by.
    ...(webhookUrl === null ? [] : [{ channel: 'WEBHOOK' as const, target: new URL(webhookUrl).host, ...pending }]),
    ...emails.map((target) => ({
      channel: 'EMAIL' as const,
      target,
      ...(mayMail
        ? pending
        : {
            status: 'FAILED' as const,
            attempts: 0,
            error: 'this installation has no mail server (TRIBUTARY_SMTP_URL)',
          }),
    })),
  ];
}
