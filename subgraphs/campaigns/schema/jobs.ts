import { type ErrorCode, errorCatalogue } from '@tributary/schema';
import {
  addConnection,
  connectionArgs,
  connectionOf,
  decodeCursor,
  encodeCursor,
  parsePage,
  type SubgraphKit,
} from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import type { CampaignsEnums } from './enums.ts';
import { timeCursor } from './members.ts';
import { type CampaignsTypes, includeArchived, notFound, requireReader, type SchemaDeps, shown } from './types.ts';

interface JobFault {
  readonly code: string;
  readonly message: string;
}

function addJobType({ builder }: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, { loaders }: SchemaDeps) {
  const Fault = builder.objectRef<JobFault>('JobError').implement({
    description: 'Why a job failed.',
    fields: (t) => ({
      code: t.exposeString('code', { description: 'Of the error catalogue.' }),
      message: t.exposeString('message', { description: 'What is wrong and what to do.' }),
    }),
  });
  types.Job.implement({
    description: 'Work that goes on behind an answer: an export, an import.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      kind: t.exposeString('kind', { description: 'What kind of work, e.g. `COST_IMPORT`.' }),
      app: t.field({
        type: types.App,
        nullable: true,
        description: 'The app that it is about; null = the organisation.',
        resolve: ({ appId }, _args, context) => (appId === null ? null : loaders.app(context).load(appId)),
      }),
      status: t.expose('status', { type: enums.JobStatus, description: 'How far it is.' }),
      progress: t.exposeFloat('progress', { description: 'Share that is done, 0…1.' }),
      result: t.field({
        type: 'JSON',
        nullable: true,
        description: 'What came of it; null until it succeeded.',
        resolve: ({ result }) => result,
      }),
      error: t.field({
        type: Fault,
        nullable: true,
        description: 'Why it failed; null unless it did.',
        resolve: ({ errorCode: code, errorText }) =>
          code === null ? null : { code, message: errorText ?? errorCatalogue[code as ErrorCode]?.text ?? '' },
      }),
      createdAt: t.field({
        type: 'DateTime',
        description: 'When it was asked for.',
        resolve: (row) => row.createdAt.getTime(),
      }),
      updatedAt: t.field({
        type: 'DateTime',
        description: 'When it last changed.',
        resolve: (row) => row.updatedAt.getTime(),
      }),
    }),
  });
}

function addSavedReport({ builder }: SubgraphKit, types: CampaignsTypes, { operations, loaders }: SchemaDeps): void {
  types.SavedReport.implement({
    tag: 'internal',
    description: 'A report that somebody wants again.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      name: t.exposeString('name', { description: 'For people; unique in the app.' }),
      app: t.field({
        type: types.App,
        nullable: true,
        description: 'The app that it is about.',
        resolve: ({ appId }, _args, context) => loaders.app(context).load(appId),
      }),
      definition: t.field({
        type: 'JSON',
        description: 'The arguments of `report`: metrics, dimensions, filters, order, range.',
        resolve: ({ definition }) => definition,
      }),
      createdBy: t.exposeString('createdBy', { description: 'Id of the key that made it.' }),
      createdAt: t.field({ type: 'DateTime', description: 'When.', resolve: (row) => row.createdAt.getTime() }),
      archivedAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Put away since then; null = in use.',
        resolve: ({ archivedAt }) => archivedAt?.getTime() ?? null,
      }),
    }),
  });
  builder.queryField('savedReports', (t) =>
    t.field({
      type: [types.SavedReport],
      tag: 'internal',
      description: 'Saved reports that this key may read, by name.',
      args: { appId: t.arg.id({ description: 'Only of this app.' }), includeArchived: t.arg.boolean(includeArchived) },
      resolve: async (_root, { appId, ...args }, context) => {
        requireReader(context);
        const filter = appId == null ? {} : { appId: appId.replaceAll('\0', '') };
        return shown(await operations.readSavedReports(reachOf(context), filter), args.includeArchived);
      },
    }),
  );
}

/** `Job`, `SavedReport`, and the queries of both. */
export function addJobs(kit: SubgraphKit, types: CampaignsTypes, enums: CampaignsEnums, deps: SchemaDeps): void {
  const { operations, loaders } = deps;
  addJobType(kit, types, enums, deps);
  addSavedReport(kit, types, deps);
  const Jobs = addConnection(kit, 'Job', types.Job);
  kit.builder.queryFields((t) => ({
    jobs: t.field({
      type: Jobs,
      description: 'Jobs that this key may read, newest first. A key of some apps sees those of these apps.',
      args: connectionArgs(t.arg),
      resolve: async (_root, args, context) => {
        requireReader(context);
        const page = parsePage(args);
        const after = page.after === null ? null : decodeCursor(page.after, timeCursor);
        const rows = await operations.readJobs(reachOf(context), page, after);
        return connectionOf(rows, page, ({ createdAt, id }) => encodeCursor([createdAt.getTime(), id]));
      },
    }),
    job: t.field({
      type: types.Job,
      nullable: true,
      description: 'One job. NOT_FOUND when there is none of that id that this key may read.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      resolve: async (_root, { id }, context) => {
        requireReader(context);
        const row = await loaders.job(context).load(id);
        if (!row) throw notFound('job', id);
        return row;
      },
    }),
  }));
}
