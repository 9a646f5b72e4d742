import type { Relational } from '@tributary/prisma/client';
import type { PageRequest } from '../src/kit.ts';
import type { Reach } from './catalogue-reader.ts';

export type OperationsReader = ReturnType<typeof createOperationsReader>;
export type MemberRow = Awaited<ReturnType<OperationsReader['readMembers']>>[number];
export type AuditRow = Awaited<ReturnType<OperationsReader['readAuditPage']>>[number];
export type ApiKeyRow = Awaited<ReturnType<OperationsReader['readApiKeys']>>[number];
export type WriteKeyRow = Awaited<ReturnType<OperationsReader['readWriteKeys']>>[number];
export type SavedReportRow = Awaited<ReturnType<OperationsReader['readSavedReports']>>[number];
export type AlertRow = Awaited<ReturnType<OperationsReader['readAlerts']>>[number];
export type FiringRow = Awaited<ReturnType<OperationsReader['readFirings']>>[number];
export type CostImportRow = Awaited<ReturnType<OperationsReader['readCostImports']>>[number];
export type FxRateRow = Awaited<ReturnType<OperationsReader['readFxRates']>>[number];
export type JobRow = Awaited<ReturnType<OperationsReader['readJobs']>>[number];
export type JobStepRow = Awaited<ReturnType<OperationsReader['readJobSteps']>>[number];

const storable = (text: string) => !text.includes('\0');
const within = (ids: readonly string[] | undefined) => (ids === undefined ? {} : { id: { in: ids.filter(storable) } });

const keyColumns = {
  id: true,
  tenantId: true,
  label: true,
  prefix: true,
  createdAt: true,
  revokedAt: true,
  expiresAt: true,
  graceUntil: true,
  rotatedFromId: true,
  ratePerSecond: true,
  rateBurst: true,
} as const;

const alertColumns = {
  id: true,
  tenantId: true,
  appId: true,
  name: true,
  rule: true,
  webhookUrl: true,
  emails: true,
  enabled: true,
  secretVersion: true,
  state: true,
  stateAt: true,
  lastFiredAt: true,
  evaluatedAt: true,
  archivedAt: true,
} as const;

const jobColumns = {
  id: true,
  tenantId: true,
  appId: true,
  kind: true,
  status: true,
  progress: true,
  result: true,
  errorCode: true,
  errorText: true,
  createdAt: true,
  updatedAt: true,
} as const;

/** Conditions on what is a tenant's own business: a partner finds nothing. */
const ofTenant = ({ tenantId, partnerId }: Reach) => ({ tenantId: partnerId === null ? tenantId : { in: [] } });

/** The same, of the reader's apps. */
const ofApps = (reach: Reach) => ({
  ...ofTenant(reach),
  ...(reach.appIds === null ? {} : { appId: { in: [...reach.appIds] } }),
});

/**
 * Reads what a tenant is run by: members, keys, audit, reports, alerts, imports, rates and jobs. Never a hash, a sealed text
 * or a password is among the columns. Each function is one statement. Throws RELATIONAL_UNAVAILABLE.
 */
export function createOperationsReader({ client }: Pick<Relational, 'client'>) {
  return {
    readMembers: (reach: Reach, ids?: readonly string[]) =>
      client.member.findMany({
        where: { ...ofTenant(reach), ...within(ids) },
        select: {
          id: true,
          tenantId: true,
          email: true,
          role: true,
          partnerId: true,
          createdAt: true,
          removedAt: true,
        },
        orderBy: { email: 'asc' },
      }),

    /** Newest first. */
    readAuditPage: (
      reach: Reach,
      page: PageRequest,
      after: readonly [at: number, id: string] | null,
      filter: {
        readonly action?: string | undefined;
        readonly actor?: string | undefined;
        readonly subjectId?: string | undefined;
      },
    ) =>
      client.auditEntry.findMany({
        where: {
          ...ofTenant(reach),
          ...(filter.action === undefined ? {} : { action: { startsWith: filter.action } }),
          ...(filter.actor === undefined ? {} : { actor: filter.actor }),
          ...(filter.subjectId === undefined ? {} : { subjectId: filter.subjectId }),
          ...(after === null
            ? {}
            : { OR: [{ at: { lt: new Date(after[0]) } }, { at: new Date(after[0]), id: { lt: after[1] } }] }),
        },
        orderBy: [{ at: 'desc' }, { id: 'desc' }],
        take: page.limit,
      }),

    readApiKeys: (reach: Reach, ids?: readonly string[]) =>
      client.apiKey.findMany({
        where: { ...ofTenant(reach), ...within(ids) },
        select: {
          ...keyColumns,
          scopes: true,
          allApps: true,
          appIds: true,
          memberId: true,
          partnerId: true,
          trustedOnly: true,
          ratePlan: true,
        },
        orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
      }),

    readWriteKeys: (reach: Reach, filter: { readonly ids?: readonly string[]; readonly appId?: string }) =>
      client.writeKey.findMany({
        where: {
          AND: [ofApps(reach), ...(filter.appId === undefined ? [] : [{ appId: filter.appId }])],
          ...within(filter.ids),
        },
        select: { ...keyColumns, appId: true, kind: true, dailyQuota: true },
        orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
      }),

    readSavedReports: (reach: Reach, filter: { readonly ids?: readonly string[]; readonly appId?: string }) =>
      client.savedReport.findMany({
        where: {
          AND: [ofApps(reach), ...(filter.appId === undefined ? [] : [{ appId: filter.appId }])],
          ...within(filter.ids),
        },
        select: {
          id: true,
          tenantId: true,
          appId: true,
          name: true,
          definition: true,
          createdBy: true,
          createdAt: true,
          archivedAt: true,
        },
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    readAlerts: (reach: Reach, filter: { readonly ids?: readonly string[]; readonly appId?: string }) =>
      client.alert.findMany({
        where: {
          AND: [ofApps(reach), ...(filter.appId === undefined ? [] : [{ appId: filter.appId }])],
          ...within(filter.ids),
        },
        select: alertColumns,
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
      }),

    /** `newest`: before the sequence, newest first; else after it, oldest first. */
    readFirings: (
      reach: Reach,
      asked: {
        readonly appId: string;
        readonly alertId?: string | undefined;
        readonly order: 'newest' | 'oldest';
        readonly beyond: bigint | null;
        readonly limit: number;
      },
    ) =>
      client.alertFiring.findMany({
        where: {
          AND: [ofApps(reach), { appId: asked.appId }],
          ...(asked.alertId === undefined ? {} : { alertId: asked.alertId }),
          ...(asked.beyond === null
            ? {}
            : { sequence: asked.order === 'newest' ? { lt: asked.beyond } : { gt: asked.beyond } }),
        },
        orderBy: { sequence: asked.order === 'newest' ? 'desc' : 'asc' },
        take: asked.limit,
      }),

    readCostImports: (reach: Reach, ids?: readonly string[]) =>
      client.costImport.findMany({
        where: { ...ofTenant(reach), ...within(ids) },
        select: {
          id: true,
          tenantId: true,
          name: true,
          url: true,
          format: true,
          mapping: true,
          headerName: true,
          intervalMinutes: true,
          enabled: true,
          nextRunAt: true,
          lastRunAt: true,
          lastResult: true,
          archivedAt: true,
        },
        orderBy: { name: 'asc' },
      }),

    readFxRates: (
      reach: Reach,
      asked: { readonly from?: string; readonly to?: string; readonly firstDay: string; readonly lastDay: string },
    ) =>
      client.fxRate.findMany({
        where: {
          ...ofTenant(reach),
          day: { gte: new Date(asked.firstDay), lte: new Date(asked.lastDay) },
          ...(asked.from === undefined ? {} : { from: asked.from }),
          ...(asked.to === undefined ? {} : { to: asked.to }),
        },
        select: { tenantId: true, day: true, from: true, to: true, rate: true },
        orderBy: [{ day: 'desc' }, { from: 'asc' }, { to: 'asc' }],
        take: 1_000,
      }),

    readJobs: (reach: Reach, page: PageRequest, after: readonly [at: number, id: string] | null) =>
      client.job.findMany({
        where: {
          ...ofApps(reach),
          ...(after === null
            ? {}
            : {
                OR: [
                  { createdAt: { lt: new Date(after[0]) } },
                  { createdAt: new Date(after[0]), id: { lt: after[1] } },
                ],
              }),
        },
        select: jobColumns,
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: page.limit,
      }),

    readJobsById: (reach: Reach, ids: readonly string[]) =>
      client.job.findMany({
        where: { ...ofApps(reach), ...within(ids) },
        select: jobColumns,
      }),

    /** After the sequence, oldest first. */
    readJobSteps: (reach: Reach, jobId: string, after: bigint | null, limit: number) =>
      client.jobStep.findMany({
        where: { ...ofTenant(reach), jobId, ...(after === null ? {} : { sequence: { gt: after } }) },
        orderBy: { sequence: 'asc' },
        take: limit,
      }),

    /** The last number that a stream gave out; whatever is not above it is committed. */
    readLastSequence: async (topic: 'firings' | 'jobs') =>
      (await client.changeCounter.findUniqueOrThrow({ where: { topic } })).count,
  };
}
