import type { Clock } from '@tributary/platform/clock';
import { type AlertDelivery, signWebhook, webhookSecretOf } from '@tributary/schema';
import type { Mailer } from './mailer.ts';
import type { Outbound } from './outbound.ts';
import type { AlertStore, DueFiring } from './stores.ts';

export interface DeliverDeps {
  readonly alerts: AlertStore;
  readonly outbound: Outbound;
  readonly mailer: Mailer | null;
  readonly clock: Clock;
  /** The installation's; webhooks are signed with what is derived from it. */
  readonly signingSecret: string;
}

/** Above the longest that one firing's messages may take. */
const leaseMs = 300_000;
const batch = 20;
export const maxAttempts = 6;
const firstRetryMs = 30_000;

/** Sends what is due: each message until it is taken or six attempts failed, 30 s, 1, 2, 4 and 8 min apart. Returns how many were sent. */
export async function deliverFirings(deps: DeliverDeps, stopped: () => boolean): Promise<number> {
  let sent = 0;
  while (!stopped()) {
    const due = await deps.alerts.claimDueFirings(deps.clock.now(), leaseMs, batch);
    if (due.length === 0) return sent;
    for (const firing of due) sent += await deliver(deps, firing);
  }
  return sent;
}

async function deliver(deps: DeliverDeps, firing: DueFiring): Promise<number> {
  const tried = await Promise.all(
    firing.deliveries.map((one) => (one.status === 'PENDING' ? attempt(deps, firing, one) : one)),
  );
  const open = tried.filter(({ status }) => status === 'PENDING');
  const attempts = Math.max(1, ...open.map((one) => one.attempts));
  const next = open.length === 0 ? null : deps.clock.now() + firstRetryMs * 2 ** (attempts - 1);
  await deps.alerts.recordDeliveries({ tenantId: firing.alert.tenantId, firingId: firing.firingId }, tried, next);
  return tried.filter((one, place) => one.status === 'SENT' && firing.deliveries[place]?.status === 'PENDING').length;
}

async function attempt(deps: DeliverDeps, firing: DueFiring, delivery: AlertDelivery): Promise<AlertDelivery> {
  const error = await (delivery.channel === 'WEBHOOK' ? post(deps, firing) : mail(deps, firing, delivery.target));
  const attempts = delivery.attempts + 1;
  if (error === null) return { ...delivery, attempts, status: 'SENT', error: null };
  return { ...delivery, attempts, status: attempts >= maxAttempts ? 'FAILED' : 'PENDING', error };
}

/** What a webhook carries; `id` is the same in every attempt, so that a receiver can tell repeats. */
function messageOf({ alert, firingId, ...firing }: DueFiring) {
  return {
    type: 'alert.fired',
    id: firingId,
    at: new Date(firing.at).toISOString(),
    alert: { id: alert.alertId, name: alert.name, rule: alert.rule },
    app: { id: alert.appId, name: alert.appName },
    window: { from: new Date(firing.windowFrom).toISOString(), to: new Date(firing.windowTo).toISOString() },
    value: firing.value,
    bound: firing.bound,
    score: firing.score,
    ...(alert.rule.metric === 'REVENUE' || alert.rule.metric === 'SPEND' ? { currency: alert.currency } : {}),
  };
}

/** Null when it was taken, else why not. */
async function post({ outbound, clock, signingSecret }: DeliverDeps, firing: DueFiring): Promise<string | null> {
  const { alert } = firing;
  if (alert.webhookUrl === null) return 'the alert has no webhook any more';
  const body = JSON.stringify(messageOf(firing));
  const secret = webhookSecretOf(
    { tenantId: alert.tenantId, alertId: alert.alertId, version: alert.secretVersion },
    signingSecret,
  );
  const answer = await outbound({
    url: alert.webhookUrl,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'tributary-signature': signWebhook(body, secret, clock.now()),
      'tributary-delivery': firing.firingId,
    },
    body,
    timeoutMs: 10_000,
    maxBytes: 65_536,
  });
  if (!answer.ok) return answer.reason;
  return answer.status >= 200 && answer.status < 300 ? null : `it answered ${answer.status}`;
}

async function mail({ mailer }: DeliverDeps, firing: DueFiring, to: string): Promise<string | null> {
  if (!mailer) return 'this installation has no mail server (TRIBUTARY_SMTP_URL)';
  try {
    await mailer.send({ to, ...letterOf(firing) });
    return null;
  } catch (error) {
    const code = error instanceof Error && 'responseCode' in error ? ` (${String(error.responseCode)})` : '';
    return `the mail server did not take it${code}`;
  }
}

const oneLine = (text: string) => text.replace(/[\r\n]+/g, ' ');

function letterOf({ alert, value, bound, score, windowFrom, windowTo }: DueFiring): { subject: string; text: string } {
  const unit = alert.rule.metric === 'REVENUE' || alert.rule.metric === 'SPEND' ? ` ${alert.currency}` : '';
  const number = (one: number) => one.toLocaleString('en', { maximumFractionDigits: 2 });
  const time = (ms: number) =>
    new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: alert.timezone }).format(ms);
  const why =
    score === null
      ? `It is ${value > bound ? 'above' : 'below'} ${number(bound)}${unit}.`
      : `That is unlike the same time of the weeks before (score ${number(score)}; usual up to ${number(bound)}${unit}).`;
  return {
    subject: oneLine(`${alert.name}: ${alert.appName}`).slice(0, 200),
    text: [
      `${alert.name}`,
      '',
      `${alert.rule.metric} of ${alert.appName} was ${number(value)}${unit}`,
      `from ${time(windowFrom)} to ${time(windowTo)} (${alert.timezone}).`,
      why,
      '',
    ].join('\n'),
  };
}
