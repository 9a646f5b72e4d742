import { CodedError } from '@tributary/schema';
import { decodeCursor, encodeCursor, type SubgraphContext, type SubgraphKit } from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { FiringRow, JobStepRow } from '../operations-reader.ts';
import { createTableStream } from '../table-stream.ts';
import { sequenceCursor } from './alerts.ts';
import type { CampaignsEnums } from './enums.ts';
import { type CampaignsTypes, notFound, requireReader, type SchemaDeps } from './types.ts';

interface JobProgressFacts extends JobStepRow {
  readonly jobId: string;
}

const cursorOf = (row: { readonly sequence: bigint }) => encodeCursor([String(row.sequence)]);

/** Where a stream begins. A cursor beyond what was ever given out is of another store: CURSOR_EXPIRED. */
async function startOf(
  { operations }: SchemaDeps,
  topic: 'firings' | 'jobs',
  after: string | null | undefined,
  fresh: 'now' | 'beginning',
): Promise<bigint> {
  const cursor = after == null ? null : BigInt(decodeCursor(after, sequenceCursor)[0]);
  if (cursor === null && fresh === 'beginning') return 0n;
  const last = await operations.readLastSequence(topic);
  if (cursor !== null && cursor > last) throw new CodedError('CURSOR_EXPIRED');
  return cursor ?? last;
}

function addPayloads({ builder }: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, { loaders }: SchemaDeps) {
  const AlertFired = builder.objectRef<FiringRow>('AlertFired').implement({
    tag: 'internal',
    description: 'An alert fired.',
    fields: (t) => ({
      cursor: t.string({ description: 'Pass as `after` to go on behind this one.', resolve: cursorOf }),
      firing: t.field({
        type: types.AlertFiring,
        description: 'What fired.',
        resolve: (row, _args, context) => {
          // A subscription's context lives long; the alert has changed since.
          loaders.alert(context).clear(row.alertId);
          return row;
        },
      }),
      app: t.field({
        type: types.App,
        nullable: true,
        description: 'The app that it is about.',
        resolve: ({ appId }, _args, context) => loaders.app(context).clear(appId).load(appId),
      }),
    }),
  });
  const JobProgress = builder.objectRef<JobProgressFacts>('JobProgress').implement({
    description: 'A state that a job went through.',
    fields: (t) => ({
      cursor: t.string({ description: 'Pass as `after` to go on behind this one.', resolve: cursorOf }),
      at: t.field({ type: 'DateTime', description: 'When.', resolve: (row) => row.at.getTime() }),
      status: t.expose('status', { type: enums.JobStatus, description: 'How far it was.' }),
      progress: t.exposeFloat('progress', { description: 'Share that was done, 0…1.' }),
      message: t.exposeString('message', { nullable: true, description: 'What was said about it.' }),
      job: t.field({
        type: types.Job,
        nullable: true,
        description: 'The job as it is now.',
        resolve: ({ jobId }, _args, context) => {
          // A subscription's context lives long; the job has changed since.
          loaders.job(context).clear(jobId);
          return loaders.job(context).load(jobId);
        },
      }),
    }),
  });
  return { AlertFired, JobProgress };
}

/** `alertFired` and `jobProgress`: read from their tables, woken by the bus. Neither skips nor repeats a row. */
export function addStreams(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { operations, loaders, liveBus } = deps;
  const { AlertFired, JobProgress } = addPayloads(kit, types, enums, deps);

  async function followFirings(context: SubgraphContext, appId: string, after: string | null | undefined) {
    requireReader(context);
    const app = await loaders.app(context).load(appId);
    if (!app) throw notFound('app', appId);
    const reach = reachOf(context);
    return createTableStream({
      read: (beyond, limit) => operations.readFirings(reach, { appId: app.id, order: 'oldest', beyond, limit }),
      sequenceOf: (row) => row.sequence,
      after: await startOf(deps, 'firings', after, 'now'),
      liveBus,
      topic: 'alert.fired',
      concerns: (message) => message.tenantId === reach.tenantId && message.appId === app.id,
      signal: context.signal,
    });
  }

  async function followJob(context: SubgraphContext, jobId: string, after: string | null | undefined) {
    requireReader(context);
    const job = await loaders.job(context).load(jobId);
    if (!job) throw notFound('job', jobId);
    const reach = reachOf(context);
    return createTableStream({
      read: (beyond, limit) => operations.readJobSteps(reach, job.id, beyond, limit),
      sequenceOf: (row) => row.sequence,
      after: await startOf(deps, 'jobs', after, 'beginning'),
      liveBus,
      topic: 'job.progress',
      concerns: (message) => message.tenantId === reach.tenantId && message.jobId === job.id,
      isLast: (row) => row.status === 'SUCCEEDED' || row.status === 'FAILED',
      signal: context.signal,
    });
  }

  const after = { description: 'Cursor of the last one seen: all after it come, then new ones.' } as const;
  kit.builder.subscriptionType({
    description: 'What changes.',
    fields: (t) => ({
      alertFired: t.field({
        type: AlertFired,
        tag: 'internal',
        description: 'Alerts of an app as they fire, each once, none skipped. Without `after`: from now on.',
        args: { appId: t.arg.id({ required: true, description: 'The app.' }), after: t.arg.string(after) },
        subscribe: (_root, args, context) => followFirings(context, args.appId, args.after),
        resolve: (row) => row as FiringRow,
      }),
      jobProgress: t.field({
        type: JobProgress,
        description: 'Every state of a job, from the first or after a cursor; ends with the job.',
        args: { jobId: t.arg.id({ required: true, description: 'The job.' }), after: t.arg.string(after) },
        subscribe: (_root, args, context) => followJob(context, args.jobId, args.after),
        resolve: (row) => row as JobProgressFacts,
      }),
    }),
  });
}
