import {
  asIdEntity,
  type IdReference,
  operationNow,
  parseTimeRange,
  requireApp,
  requireCampaign,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { CohortReader, FraudCounts } from '../cohort-reader.ts';
import { type CohortSums, moneyOf, perInstallOf } from '../domain/cohort-ltv.ts';
import { appLtvLoader, campaignFraudLoader, campaignLtvLoader } from '../loaders.ts';
import { horizonDescription, requireHorizon } from './horizon.ts';

interface CohortLtv extends CohortSums {
  readonly horizonDays: number;
  readonly currency: string;
}

const rangeDescription = 'Which installs, by their time.';

function addCohortLtv({ builder, Money }: SubgraphKit) {
  return builder.objectRef<CohortLtv>('CohortLtv').implement({
    description: 'What the installs of a time range are expected to bring.',
    fields: (t) => ({
      installs: t.exposeInt('installs', { description: 'Installs of the cohort; reinstalls are not among them.' }),
      scored: t.exposeInt('scored', { description: 'Those that have a prediction.' }),
      perInstall: t.field({
        type: Money,
        nullable: true,
        description: 'Mean of those scored; null when none is.',
        resolve: (cohort) => {
          const amount = perInstallOf(cohort);
          return amount === null ? null : moneyOf(amount, cohort.currency);
        },
      }),
      total: t.field({
        type: Money,
        description: 'Sum over those scored, in the currency of the app.',
        resolve: (cohort) => moneyOf(cohort.total, cohort.currency),
      }),
      horizonDays: t.exposeInt('horizonDays', { description: 'Days after each install.' }),
      model: t.exposeString('model', { nullable: true, description: 'Which model; null when none is scored.' }),
      modelVersion: t.exposeString('modelVersion', { nullable: true, description: 'Its version.' }),
    }),
  });
}

function addFraudSummary({ builder }: SubgraphKit) {
  return builder.objectRef<FraudCounts>('FraudSummary').implement({
    description: 'Fraud among the installs that a campaign won or claimed.',
    fields: (t) => ({
      scored: t.exposeInt('scored', {
        description:
          'Installs with a score: attributed to the campaign, or claimed by it with an engagement that attribution refused as injected.',
      }),
      suspect: t.exposeInt('suspect', { description: 'Of verdict SUSPECT.' }),
      fraud: t.exposeInt('fraud', { description: 'Of verdict FRAUD.' }),
      rate: t.float({
        nullable: true,
        description: 'fraud / scored, 0…1; null when none is scored.',
        resolve: ({ scored, fraud }) => (scored === 0 ? null : fraud / scored),
      }),
    }),
  });
}

interface CohortSchema {
  readonly kit: SubgraphKit;
  readonly deps: SubgraphDeps;
  readonly reader: CohortReader;
  readonly Ltv: TypeRef<CohortLtv>;
}

function addCampaign({ kit, deps, reader, Ltv }: CohortSchema): void {
  const { builder, TimeRange } = kit;
  const FraudSummary = addFraudSummary(kit);
  const Campaign = builder.objectRef<IdReference>('Campaign');
  Campaign.implement({
    description: 'A campaign.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      predictedLtv: t.field({
        type: Ltv,
        description: 'Of the installs of the range that are attributed to the campaign.',
        args: {
          range: t.arg({ type: TimeRange, required: true, description: rangeDescription }),
          horizonDays: t.arg.int({ required: true, defaultValue: 90, description: horizonDescription }),
        },
        resolve: async ({ id }, args, context) => {
          const { app } = requireCampaign(context, deps.directory, id);
          const horizonDays = requireHorizon(args.horizonDays);
          const range = parseTimeRange(args.range, operationNow(context, deps.clock));
          const loader = campaignLtvLoader(context, reader, range, horizonDays);
          const sums = await loader.load({ campaignId: id, appId: app.appId });
          return { ...sums, horizonDays, currency: app.currency };
        },
      }),
      fraud: t.field({
        type: FraudSummary,
        description: 'Of the installs of the range that the campaign won or claimed.',
        args: { range: t.arg({ type: TimeRange, required: true, description: rangeDescription }) },
        resolve: ({ id }, args, context) => {
          const { app } = requireCampaign(context, deps.directory, id);
          const range = parseTimeRange(args.range, operationNow(context, deps.clock));
          return campaignFraudLoader(context, reader, range).load({ campaignId: id, appId: app.appId });
        },
      }),
    }),
  });
  asIdEntity(builder, Campaign);
}

function addApp({ kit, deps, reader, Ltv }: CohortSchema): TypeRef<IdReference> {
  const { builder, TimeRange } = kit;
  const App = builder.objectRef<IdReference>('App');
  App.implement({
    description: 'An app that sends events.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      predictedLtv: t.field({
        type: Ltv,
        description: 'Of all installs of the range, organic ones too.',
        args: {
          range: t.arg({ type: TimeRange, required: true, description: rangeDescription }),
          horizonDays: t.arg.int({ required: true, defaultValue: 90, description: horizonDescription }),
        },
        resolve: async ({ id }, args, context) => {
          const { appId, currency } = requireApp(context, deps.directory, id);
          const horizonDays = requireHorizon(args.horizonDays);
          const range = parseTimeRange(args.range, operationNow(context, deps.clock));
          const sums = await appLtvLoader(context, reader, range, horizonDays).load(appId);
          return { ...sums, horizonDays, currency };
        },
      }),
    }),
  });
  asIdEntity(builder, App);
  return App;
}

/** `Campaign.predictedLtv`, `Campaign.fraud` and `App.predictedLtv`. */
export function addCohorts(kit: SubgraphKit, deps: SubgraphDeps, reader: CohortReader): TypeRef<IdReference> {
  const schema = { kit, deps, reader, Ltv: addCohortLtv(kit) };
  addCampaign(schema);
  return addApp(schema);
}
