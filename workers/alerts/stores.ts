import type { AlertDelivery, AlertRule, CostMapping, ErrorCode } from '@tributary/schema';

/**
 * What the loops keep in the relational store. `@tributary/prisma` has them (`createAlertStore`, `createCostImportStore`); a
 * worker knows their shape only, since it may run where another store is behind them.
 */
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

export interface DueFiring extends NewFiring {
  readonly firingId: string;
  readonly alert: WatchedAlert;
  readonly deliveries: readonly AlertDelivery[];
}

export interface AlertStore {
  readDueAlerts(evaluatedBefore: number, limit: number): Promise<readonly WatchedAlert[]>;
  recordEvaluation(alert: WatchedAlert, outcome: { readonly at: number; readonly firing: boolean }): Promise<void>;
  /** Null when another evaluator was first, or the alert was changed. */
  recordFiring(alert: WatchedAlert, firing: NewFiring, deliveries: readonly AlertDelivery[]): Promise<string | null>;
  claimDueFirings(now: number, leaseMs: number, limit: number): Promise<readonly DueFiring[]>;
  recordDeliveries(
    firing: { readonly tenantId: string; readonly firingId: string },
    deliveries: readonly AlertDelivery[],
    nextAttemptAt: number | null,
  ): Promise<void>;
}

export interface DueCostImport {
  readonly importId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly url: string;
  readonly format: 'CSV' | 'JSON';
  readonly mapping: CostMapping;
  readonly headerName: string | null;
  readonly headerSealed: string | null;
  readonly jobId: string | null;
}

export interface CostImportStore {
  claimDue(now: number, leaseMs: number): Promise<DueCostImport | null>;
  succeed(
    source: DueCostImport,
    rows: readonly { campaign: string; day: string; amount: string; currency: string | null }[],
    now: number,
  ): Promise<number>;
  fail(source: DueCostImport, fault: { readonly code: ErrorCode; readonly text: string }, now: number): Promise<void>;
}
