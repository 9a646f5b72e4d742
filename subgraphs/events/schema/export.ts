import { createHash } from 'node:crypto';
import type { LiveBus } from '@tributary/platform/live-bus';
import { CodedError, type ErrorCode, errorCatalogue, reportLimits } from '@tributary/schema';
import {
  idempotencyKeyDescription,
  isOwn,
  requireScope,
  type SubgraphContext,
  type SubgraphKit,
  toUserErrors,
  type UserError,
  userErrorType,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import { downloadLinkMs, signDownload } from '../export-download.ts';
import type { ExportFormat, ExportJob, ExportStore } from '../export-store.ts';
import { type Exporter, exportTtlMs } from '../exporter.ts';
import { createLatestIterator, type LatestSink } from '../latest-iterator.ts';
import { type ReportInputs, type ReportQuestion, reportPlanOf } from './report.ts';
import type { ReportEnums } from './report-types.ts';

interface ExportInput extends Omit<ReportQuestion, 'filters'> {
  filters: ReportQuestion['filters'];
  format: ExportFormat;
  idempotencyKey: string;
}
interface ExportAnswer {
  readonly job: ExportJob | null;
  readonly repeated: boolean;
  readonly userErrors: readonly UserError[];
}

export interface ExportSchema {
  readonly store: ExportStore;
  /** Null: this process runs no exports. */
  readonly exporter: Exporter | null;
  readonly enums: ReportEnums;
  readonly inputs: ReportInputs;
}

const isOver = ({ state }: ExportJob) => state === 'DONE' || state === 'FAILED';
const tickMs = 2_000;

/** A job, if the caller may still read all it holds: of their tenant, partner and apps. Throws NOT_FOUND. */
async function requireJob({ store }: ExportSchema, context: SubgraphContext, id: string): Promise<ExportJob> {
  requireScope(context, 'read:reports');
  const { caller } = context;
  const job = await store.read(caller.tenantId, caller.partnerId ?? '', id);
  const own =
    job &&
    isOwn(context, {
      tenantId: job.tenantId,
      partnerId: job.plan.partnerId,
      appIds: job.plan.apps.map(({ appId }) => appId),
    });
  if (!own) throw new CodedError('NOT_FOUND', { message: 'There is no export of that id.', details: { id } });
  return job;
}

function addJobType({ builder }: SubgraphKit, deps: SubgraphDeps) {
  const State = builder.enumType('ExportState', {
    description: 'How far an export is.',
    values: {
      QUEUED: { description: 'It waits for its turn.' },
      RUNNING: { description: 'Its file is being written.' },
      DONE: { description: 'Its file can be fetched.' },
      FAILED: { description: 'It ended without a file; `errorCode` says why.' },
      EXPIRED: { description: 'Its file was removed, a day after it was written.' },
    },
  });
  const Format = builder.enumType('ExportFormat', {
    description: 'Form of an exported file. Money is decimal text in all of them.',
    values: {
      NDJSON: { description: 'One JSON object a line.' },
      CSV: { description: 'RFC 4180, with a first line of names.' },
      PARQUET: { description: 'Apache Parquet.' },
    },
  });
  const goneAt = (job: ExportJob) => job.updatedAt + exportTtlMs;
  const available = (job: ExportJob) => job.state === 'DONE' && goneAt(job) > deps.clock.now();
  const linkEnds = (job: ExportJob) => Math.min(goneAt(job), deps.clock.now() + downloadLinkMs);
  const base = deps.config.publicUrl ?? `http://${deps.config.host}:${deps.config.ports.gateway}`;
  const Job = builder.objectRef<ExportJob>('ExportJob').implement({
    description: 'The making of an exported file.',
    fields: (t) => ({
      id: t.exposeID('jobId', { description: 'Its id.' }),
      state: t.field({
        type: State,
        description: 'How far it is.',
        resolve: (job) => (job.state === 'DONE' && !available(job) ? 'EXPIRED' : job.state),
      }),
      format: t.expose('format', { type: Format, description: 'Form of the file.' }),
      bytes: t.exposeFloat('bytesDone', { description: 'Bytes written so far.' }),
      attempt: t.exposeInt('attempt', { description: 'How often it was begun; more than 1 after a process died.' }),
      errorCode: t.string({
        nullable: true,
        description: 'Why it failed, of the error catalogue.',
        resolve: (job) => job.errorCode || null,
      }),
      errorMessage: t.string({
        nullable: true,
        description: 'The same in words.',
        resolve: (job) => (job.errorCode === '' ? null : (errorCatalogue[job.errorCode as ErrorCode]?.text ?? null)),
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
      updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it last changed.' }),
      downloadUrl: t.string({
        nullable: true,
        description: 'Where the file can be fetched without a key, with byte ranges; lasts an hour. Null unless DONE.',
        resolve: (job) => {
          if (!available(job)) return null;
          const token = signDownload(job.jobId, job.format, linkEnds(job), deps.signingSecret);
          return `${base.replace(/\/$/, '')}/exports/${job.jobId}?token=${token}`;
        },
      }),
      downloadUrlExpiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When that URL ends; ask again for a new one.',
        resolve: (job) => (available(job) ? linkEnds(job) : null),
      }),
    }),
  });
  return { Job, Format };
}

type JobTypes = ReturnType<typeof addJobType>;

function addMutation(kit: SubgraphKit, deps: SubgraphDeps, schema: ExportSchema, { Job, Format }: JobTypes): void {
  const { builder, TimeRange } = kit;
  const { enums, inputs } = schema;
  const Input = builder.inputRef<ExportInput>('ExportReportInput').implement({
    description:
      'A report, as `report` takes it, and the form of its file. Pages have no meaning here: all rows are written.',
    fields: (t) => ({
      appIds: t.idList({ required: true, description: `Which apps, 1…${reportLimits.apps}.` }),
      metrics: t.field({ type: [enums.Metric], required: true, description: 'What to count.' }),
      dimensions: t.field({ type: [enums.Dimension], required: true, defaultValue: [], description: 'By what.' }),
      filters: t.field({
        type: [inputs.Filter],
        required: true,
        defaultValue: [],
        description: 'All must hold.',
      }) as never,
      range: t.field({ type: TimeRange, required: true, description: 'When.' }),
      grain: t.field({ type: enums.Grain, description: 'One row per bucket of time.' }),
      orderBy: t.field({
        type: [inputs.Order],
        required: true,
        defaultValue: [],
        description: 'Order of the rows.',
      }) as never,
      currency: t.string({ description: 'ISO 4217; default: that of the apps.' }),
      lookbackDays: t.int({
        required: true,
        defaultValue: 30,
        description: 'Touchpoints of this many days before a conversion count.',
      }),
      format: t.field({ type: Format, required: true, description: 'Form of the file.' }),
      idempotencyKey: t.string({ required: true, description: idempotencyKeyDescription }),
    }),
  });
  const Answer = builder.objectRef<ExportAnswer>('ExportReportPayload').implement({
    description: 'The export that was asked for.',
    fields: (t) => ({
      job: t.field({
        type: Job,
        nullable: true,
        description: 'Follow it with `exportJob` or `exportProgress`.',
        resolve: ({ job }) => job,
      }),
      repeated: t.exposeBoolean('repeated', { description: 'This request was made before under its key.' }),
      userErrors: t.field({
        type: [userErrorType(kit)],
        description: 'Why nothing was done; empty otherwise.',
        resolve: (answer) => [...answer.userErrors],
      }),
    }),
  });
  builder.mutationFields((t) => ({
    exportReport: t.field({
      type: Answer,
      description: 'Writes all rows of a report into a file, in the background. For more rows than pages are good for.',
      args: { input: t.arg({ type: Input, required: true, description: 'Which report, in which form.' }) },
      resolve: async (_root, { input }, context): Promise<ExportAnswer> => {
        requireScope(context, 'read:reports');
        try {
          return { ...(await begin(deps, schema, context, input)), userErrors: [] };
        } catch (error) {
          return { job: null, repeated: false, userErrors: toUserErrors(error) };
        }
      },
    }),
  }));
}

async function begin(
  deps: SubgraphDeps,
  { store, exporter }: ExportSchema,
  context: SubgraphContext,
  input: ExportInput,
) {
  const { format, idempotencyKey, ...question } = input;
  if (idempotencyKey.length < 1 || idempotencyKey.length > 200) {
    throw new CodedError('BAD_USER_INPUT', {
      message: 'idempotencyKey takes 1…200 characters.',
      details: { field: 'idempotencyKey' },
    });
  }
  const { tenantId, keyId, partnerId } = context.caller;
  const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex');
  const plan = reportPlanOf(deps, context, question);
  if (!exporter) throw new CodedError('NOT_READY', { message: 'Exports are not run here.' });
  const jobId = `exp_${digest([tenantId, partnerId ?? null, keyId, idempotencyKey]).slice(0, 24)}`;
  const requestHash = digest([question, format]);
  const before = await store.read(tenantId, partnerId ?? '', jobId);
  if (before && before.requestHash !== requestHash) throw new CodedError('IDEMPOTENCY_CONFLICT');
  if (before) return { job: before, repeated: true };
  const now = deps.clock.now();
  const job: ExportJob = {
    jobId,
    tenantId,
    state: 'QUEUED',
    format,
    plan,
    requestHash,
    attempt: 0,
    bytesDone: 0,
    errorCode: '',
    version: 1,
    createdAt: now,
    updatedAt: now,
  };
  await store.write(job);
  exporter.enqueue(job);
  return { job, repeated: false };
}

/** States of a job from now to its end: the latest, then the end of the iteration. Each is whole, so none is needed but the last. */
function followJob(
  liveBus: LiveBus,
  read: () => Promise<ExportJob>,
  first: ExportJob,
  signal: AbortSignal | undefined,
) {
  const open = (sink: LatestSink<ExportJob>) => {
    let last = first;
    let ended = false;
    let leave: (() => void) | null = null;
    let reading = false;
    const look = async () => {
      if (reading || ended) return;
      reading = true;
      try {
        const job = await read();
        if (ended || job.version === last.version) return;
        last = job;
        sink.push(job);
        if (isOver(job)) sink.end();
      } catch (error) {
        sink.fail(error);
      } finally {
        reading = false;
      }
    };
    const timer = setInterval(() => void look(), tickMs);
    liveBus
      .subscribe('job.progress', (message) => {
        if (message.jobId === first.jobId && message.tenantId === first.tenantId) void look();
      })
      .then((unsubscribe) => {
        if (ended) return unsubscribe();
        leave = unsubscribe;
        void look();
      }, sink.fail);
    sink.push(first);
    return () => {
      ended = true;
      clearInterval(timer);
      leave?.();
    };
  };
  return createLatestIterator<ExportJob>(open, signal);
}

/** `Mutation.exportReport`, `Query.exportJob` and `Subscription.exportProgress`. */
export function addExports(kit: SubgraphKit, deps: SubgraphDeps, schema: ExportSchema): void {
  const types = addJobType(kit, deps);
  addMutation(kit, deps, schema, types);
  const { builder } = kit;
  builder.queryFields((t) => ({
    exportJob: t.field({
      type: types.Job,
      nullable: true,
      description: 'One export. Unknown or foreign: NOT_FOUND.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      resolve: (_root, { id }, context) => requireJob(schema, context, id),
    }),
  }));
  builder.subscriptionField('exportProgress', (t) =>
    t.field({
      type: types.Job,
      description:
        'An export now, and whenever it got further; ends with it. Each payload is the whole state: a slow reader gets the latest.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      subscribe: async (_root, { id }, context) => {
        const read = () => requireJob(schema, context, id);
        return followJob(deps.liveBus, read, await read(), context.signal);
      },
      resolve: (job) => job as ExportJob,
    }),
  );
}
