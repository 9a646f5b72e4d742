import { type AlertDelivery, type AlertRule, alertDeliverySchema, alertRuleSchema, newId } from '@tributary/schema';
import { z } from 'zod';
import { nextSequence } from './changes.ts';
import type { Relational } from './client.ts';

/** An alert as its evaluator needs it. */
export interface WatchedAlert {
  readonly alertId: string;
  readonly tenantId: string;
  readonly appId: string;
  readonly appName: string;
  readonly name: string;
  readonly currency: string;
  readonly timezone: string;
  readonly rule: AlertRule;
  readonly firing: boolean;
  /** Epoch ms. */
  readonly lastFiredAt: number | null;
  readonly webhookUrl: string | null;
  readonly emails: readonly string[];
  readonly secretVersion: number;
}

export interface NewFiring {
  readonly at: number;
  readonly windowFrom: number;
  readonly windowTo: number;
  readonly value: number;
  readonly bound: number;
  readonly score: number | null;
}

/** A message that is still to be sent. */
export interface DueFiring extends NewFiring {
  readonly firingId: string;
  readonly alert: WatchedAlert;
  readonly deliveries: readonly AlertDelivery[];
}

/** What the evaluator of alerts keeps in the relational store. */
export interface AlertStore {
  /** Enabled alerts of enabled apps, last evaluated before `evaluatedBefore`, the longest ago first. */
  readDueAlerts(evaluatedBefore: number, limit: number): Promise<readonly WatchedAlert[]>;
  /** The outcome of a look without a firing. */
  recordEvaluation(alert: WatchedAlert, outcome: { readonly at: number; readonly firing: boolean }): Promise<void>;
  /**
   * Fires: state, firing and its messages in one transaction. Null when the alert fires already, was changed or is gone, so
   * that two evaluators tell nobody twice.
   */
  recordFiring(alert: WatchedAlert, firing: NewFiring, deliveries: readonly AlertDelivery[]): Promise<string | null>;
  /** Firings with messages to send, each given to one sender for `leaseMs`. */
  claimDueFirings(now: number, leaseMs: number, limit: number): Promise<readonly DueFiring[]>;
  recordDeliveries(
    firing: { readonly tenantId: string; readonly firingId: string },
    deliveries: readonly AlertDelivery[],
    nextAttemptAt: number | null,
  ): Promise<void>;
}

const withApp = { app: { select: { name: true, currency: true, timezone: true } } } as const;

interface AlertRow {
  readonly id: string;
  readonly tenantId: string;
  readonly appId: string;
  readonly name: string;
  readonly rule: unknown;
  readonly state: 'OK' | 'FIRING';
  readonly lastFiredAt: Date | null;
  readonly webhookUrl: string | null;
  readonly emails: readonly string[];
  readonly secretVersion: number;
  readonly app: { readonly name: string; readonly currency: string; readonly timezone: string };
}

function watched(row: AlertRow): WatchedAlert {
  const { id, tenantId, appId, name, webhookUrl, emails, secretVersion, app } = row;
  return {
    alertId: id,
    tenantId,
    appId,
    appName: app.name,
    name,
    currency: app.currency,
    timezone: app.timezone,
    rule: alertRuleSchema.parse(row.rule),
    firing: row.state === 'FIRING',
    lastFiredAt: row.lastFiredAt?.getTime() ?? null,
    webhookUrl,
    emails,
    secretVersion,
  };
}

/** @example const worker = createAlertWorker({ ...deps, alerts: createAlertStore(relational) }); */
export function createAlertStore(relational: Relational): AlertStore {
  const { client } = relational;
  return {
    async readDueAlerts(evaluatedBefore, limit) {
      const rows = await client.alert.findMany({
        where: {
          enabled: true,
          archivedAt: null,
          app: { enabled: true },
          OR: [{ evaluatedAt: null }, { evaluatedAt: { lt: new Date(evaluatedBefore) } }],
        },
        include: withApp,
        orderBy: [{ evaluatedAt: { sort: 'asc', nulls: 'first' } }, { id: 'asc' }],
        take: limit,
      });
      return rows.map(watched);
    },

    async recordEvaluation({ alertId, tenantId, firing: before }, { at, firing }) {
      const now = new Date(at);
      // Under the state that was judged: what somebody changed meanwhile stays.
      await client.alert.updateMany({
        where: { id: alertId, tenantId, state: before ? 'FIRING' : 'OK' },
        data: { evaluatedAt: now, ...(firing === before ? {} : { state: firing ? 'FIRING' : 'OK', stateAt: now }) },
      });
    },

    async recordFiring({ alertId, tenantId, appId }, firing, deliveries) {
      const at = new Date(firing.at);
      const pending = deliveries.some(({ status }) => status === 'PENDING');
      return relational.transact(async (tx) => {
        const { count } = await tx.alert.updateMany({
          where: { id: alertId, tenantId, state: 'OK', enabled: true, archivedAt: null },
          data: { state: 'FIRING', stateAt: at, lastFiredAt: at, evaluatedAt: at },
        });
        if (count === 0) return null;
        const firingId = newId('firing');
        const sequence = await nextSequence(tx, 'firings');
        await tx.alertFiring.create({
          data: {
            id: firingId,
            tenantId,
            appId,
            alertId,
            sequence,
            at,
            windowFrom: new Date(firing.windowFrom),
            windowTo: new Date(firing.windowTo),
            value: firing.value,
            bound: firing.bound,
            score: firing.score,
            deliveries: deliveries as never,
            nextAttemptAt: pending ? at : null,
          },
        });
        return firingId;
      });
    },

    async claimDueFirings(now, leaseMs, limit) {
      const leased = new Date(now + leaseMs);
      const ids = await relational.transact(async (tx) => {
        const due = await tx.$queryRaw<{ id: string }[]>`
          SELECT "id" FROM "AlertFiring" WHERE "nextAttemptAt" <= ${new Date(now)}
          ORDER BY "nextAttemptAt", "id" LIMIT ${limit} FOR UPDATE SKIP LOCKED`;
        await tx.alertFiring.updateMany({
          where: { id: { in: due.map(({ id }) => id) } },
          data: { nextAttemptAt: leased },
        });
        return due.map(({ id }) => id);
      });
      if (ids.length === 0) return [];
      const rows = await client.alertFiring.findMany({
        where: { id: { in: ids } },
        include: { alert: { include: withApp } },
        orderBy: { sequence: 'asc' },
      });
      return rows.map((row) => ({
        firingId: row.id,
        alert: watched(row.alert),
        at: row.at.getTime(),
        windowFrom: row.windowFrom.getTime(),
        windowTo: row.windowTo.getTime(),
        value: row.value,
        bound: row.bound,
        score: row.score,
        deliveries: z.array(alertDeliverySchema).parse(row.deliveries),
      }));
    },

    async recordDeliveries({ tenantId, firingId }, deliveries, nextAttemptAt) {
      await client.alertFiring.updateMany({
        where: { id: firingId, tenantId },
        data: {
          deliveries: deliveries as never,
          nextAttemptAt: nextAttemptAt === null ? null : new Date(nextAttemptAt),
        },
      });
    },
  };
}
