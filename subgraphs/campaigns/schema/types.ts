import type { Cache } from '@tributary/platform/cache';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import type { LiveBus } from '@tributary/platform/live-bus';
import type { Relational } from '@tributary/prisma/client';
import { CodedError } from '@tributary/schema';
import { refusePartner, requireScope, type SubgraphContext, type SubgraphKit } from '../../src/kit.ts';
import type {
  AdGroupRow,
  AppRow,
  CampaignRow,
  CatalogueReader,
  CreativeRow,
  GoalRow,
  LinkRow,
  PartnerRow,
} from '../catalogue-reader.ts';
import type { CampaignsLoaders } from '../loaders.ts';
import type {
  AlertRow,
  ApiKeyRow,
  AuditRow,
  CostImportRow,
  FiringRow,
  FxRateRow,
  JobRow,
  MemberRow,
  OperationsReader,
  SavedReportRow,
  WriteKeyRow,
} from '../operations-reader.ts';

export interface SchemaDeps {
  readonly catalogue: CatalogueReader;
  readonly operations: OperationsReader;
  readonly loaders: CampaignsLoaders;
  readonly relational: Relational;
  readonly directory: Directory;
  readonly cache: Cache;
  readonly liveBus: LiveBus;
  readonly clock: Clock;
  /** Without a slash at its end; `/c/<slug>` follows. */
  readonly collectorUrl: string;
  /** Seals what must be kept readable, and signs webhooks. */
  readonly signingSecret: string;
}

/** The subgraph's types, made before their fields so that they can name each other. */
export function declareTypes({ builder }: SubgraphKit) {
  return {
    App: builder.objectRef<AppRow>('App'),
    Campaign: builder.objectRef<CampaignRow>('Campaign'),
    AdGroup: builder.objectRef<AdGroupRow>('AdGroup'),
    Creative: builder.objectRef<CreativeRow>('Creative'),
    Partner: builder.objectRef<PartnerRow>('Partner'),
    TrackingLink: builder.objectRef<LinkRow>('TrackingLink'),
    Goal: builder.objectRef<GoalRow>('Goal'),
    Member: builder.objectRef<MemberRow>('Member'),
    AuditEntry: builder.objectRef<AuditRow>('AuditEntry'),
    ApiKey: builder.objectRef<ApiKeyRow>('ApiKey'),
    WriteKey: builder.objectRef<WriteKeyRow>('WriteKey'),
    SavedReport: builder.objectRef<SavedReportRow>('SavedReport'),
    Alert: builder.objectRef<AlertRow>('Alert'),
    AlertFiring: builder.objectRef<FiringRow>('AlertFiring'),
    CostImport: builder.objectRef<CostImportRow>('CostImport'),
    FxRate: builder.objectRef<FxRateRow>('FxRate'),
    Job: builder.objectRef<JobRow>('Job'),
  };
}

export type CampaignsTypes = ReturnType<typeof declareTypes>;

/** One answer for what is unknown and what is somebody else's. */
export function notFound(noun: string, id: string): CodedError {
  return new CodedError('NOT_FOUND', { message: `There is no ${noun} of that id.`, details: { id } });
}

/** `read:reports`, of the organisation itself. */
export function requireReader(context: SubgraphContext): void {
  requireScope(context, 'read:reports');
  refusePartner(context);
}

/** `admin`, of the organisation itself. */
export function requireAdmin(context: SubgraphContext): void {
  requireScope(context, 'admin');
  refusePartner(context);
}

/** `admin` over the whole organisation: what belongs to no app is not for a key that has some apps only. */
export function requireTenantAdmin(context: SubgraphContext): void {
  requireAdmin(context);
  if (context.caller.appIds !== null) {
    throw new CodedError('FORBIDDEN', { message: 'This key is for some apps only; that is the organisation’s.' });
  }
}

export const includeArchived = {
  required: true,
  defaultValue: false,
  description: 'Whether archived ones are among them.',
} as const;

/** The ones that are not archived, or all. */
export function shown<T extends { readonly archivedAt: Date | null }>(rows: readonly T[], all: boolean): T[] {
  return rows.filter((row) => all || row.archivedAt === null);
}
