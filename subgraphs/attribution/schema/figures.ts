import { type AttributionModel, CodedError, type DirectoryApp } from '@tributary/schema';
import {
  asIdEntity,
  type IdReference,
  operationNow,
  parseTimeRange,
  requireApp,
  requireCampaign,
  type SubgraphContext,
  type SubgraphKit,
  type TimeRangeInput,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import type { CampaignReader } from '../campaign-reader.ts';
import { appFigures } from '../loaders.ts';
import type { AttributionEnums } from './enums.ts';

interface ModelCredit {
  readonly model: AttributionModel['kind'];
  readonly conversions: number;
  readonly value: string;
  readonly currency: string;
}

interface Summary {
  readonly attributedInstalls: number;
  readonly organicInstalls: number;
  readonly reinstalls: number;
  readonly unattributedConversions: number;
}

const rangeDescription = 'Installs by their time; revenue and conversions by theirs.';
const defaultLookbackDays = 30;
/** Journeys keep touchpoints of this long before the conversion. */
const maxLookbackDays = 90;

function requireLookback(days: number): number {
  if (Number.isInteger(days) && days >= 1 && days <= maxLookbackDays) return days;
  throw new CodedError('BAD_USER_INPUT', {
    message: `lookbackDays takes 1…${maxLookbackDays}.`,
    details: { field: 'lookbackDays' },
  });
}

export interface FiguresSchema {
  readonly kit: SubgraphKit;
  readonly deps: SubgraphDeps;
  readonly reader: CampaignReader;
  readonly enums: AttributionEnums;
}

function figuresOf(
  { deps, reader }: FiguresSchema,
  app: DirectoryApp,
  range: TimeRangeInput,
  context: SubgraphContext,
) {
  return appFigures(context, reader, app, parseTimeRange(range, operationNow(context, deps.clock)));
}

function addModelCredit({ kit: { builder, Money }, enums }: FiguresSchema) {
  return builder.objectRef<ModelCredit>('ModelCredit').implement({
    description: 'What one model credits to a campaign.',
    fields: (t) => ({
      model: t.field({ type: enums.Model, description: 'Which model.', resolve: (credit) => credit.model }),
      conversions: t.exposeFloat('conversions', { description: 'Sum of credits, in conversions.' }),
      value: t.field({
        type: Money,
        description: 'Sum of credit × value, in the currency of the app.',
        resolve: ({ value, currency }) => ({ amount: value, currency }),
      }),
    }),
  });
}

/** `Campaign` with its figures. */
export function addCampaign(schema: FiguresSchema) {
  const { builder, Money, TimeRange } = schema.kit;
  const Credit = addModelCredit(schema);
  const Campaign = builder.objectRef<IdReference>('Campaign');
  const of = (id: string, range: TimeRangeInput, context: SubgraphContext) => {
    const { app } = requireCampaign(context, schema.deps.directory, id);
    return { app, figures: figuresOf(schema, app, range, context) };
  };
  Campaign.implement({
    description: 'A campaign.',
    fields: (t) => {
      const range = t.arg({ type: TimeRange, required: true, description: rangeDescription });
      return {
        id: t.exposeID('id', { description: 'Its id.' }),
        installs: t.int({
          description: 'Installs whose decision in force names the campaign; reinstalls are not among them.',
          args: { range },
          resolve: async ({ id }, args, context) =>
            (await of(id, args.range, context).figures.installCounts()).get(id)?.installs ?? 0,
        }),
        revenue: t.field({
          type: Money,
          description:
            'Purchases and ad revenue less refunds, of devices whose latest install it brought; in the currency of the app.',
          args: { range },
          resolve: async ({ id }, args, context) => {
            const { app, figures } = of(id, args.range, context);
            return { amount: (await figures.revenue()).get(id) ?? '0', currency: app.currency };
          },
        }),
        roas: t.float({
          nullable: true,
          description: 'Return on ad spend: revenue / spend; null without spend.',
          args: { range },
          resolve: async ({ id }, args, context) => {
            const { figures } = of(id, args.range, context);
            const [revenue, spend] = await Promise.all([figures.revenue(), figures.spend()]);
            const cost = Number(spend.get(id) ?? 0);
            return cost === 0 ? null : Number(revenue.get(id) ?? 0) / cost;
          },
        }),
        credit: t.field({
          type: [Credit],
          description:
            'Conversions of the range, shared among the campaigns that touched them before; models in the order asked.',
          args: {
            range,
            models: t.arg({ type: [schema.enums.Model], required: true, description: 'Which models.' }),
            lookbackDays: t.arg.int({
              required: true,
              defaultValue: defaultLookbackDays,
              description: `Touchpoints of this many days before the conversion count, 1…${maxLookbackDays}.`,
            }),
            goal: t.arg.id({ description: 'Only conversions of this goal.' }),
          },
          resolve: ({ id }, args, context) => {
            const { app, figures } = of(id, args.range, context);
            const lookbackDays = requireLookback(args.lookbackDays);
            return Promise.all(
              args.models.map(async (model): Promise<ModelCredit> => {
                const credit = (await figures.credits({ kind: model }, lookbackDays, args.goal ?? null)).byCampaign.get(
                  id,
                );
                return {
                  model,
                  conversions: credit?.conversions ?? 0,
                  value: credit?.value ?? '0',
                  currency: app.currency,
                };
              }),
            );
          },
        }),
      };
    },
  });
  asIdEntity(builder, Campaign);
  return Campaign;
}

/** `App.attribution`. */
export function addApp(schema: FiguresSchema) {
  const { builder, TimeRange } = schema.kit;
  const AttributionSummary = builder.objectRef<Summary>('AttributionSummary').implement({
    description: 'How installs and conversions of a range were attributed.',
    fields: (t) => ({
      attributedInstalls: t.exposeInt('attributedInstalls', { description: 'New installs that a campaign brought.' }),
      organicInstalls: t.exposeInt('organicInstalls', { description: 'New installs without an eligible touchpoint.' }),
      reinstalls: t.exposeInt('reinstalls', { description: 'Of devices that had the app before.' }),
      unattributedConversions: t.exposeFloat('unattributedConversions', {
        description: `Conversions without a touchpoint in the ${defaultLookbackDays} days before.`,
      }),
    }),
  });
  const App = builder.objectRef<IdReference>('App');
  App.implement({
    description: 'An app that sends events.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Its id.' }),
      attribution: t.field({
        type: AttributionSummary,
        description: 'How its installs and conversions were attributed.',
        args: { range: t.arg({ type: TimeRange, required: true, description: rangeDescription }) },
        resolve: async ({ id }, args, context): Promise<Summary> => {
          const figures = figuresOf(schema, requireApp(context, schema.deps.directory, id), args.range, context);
          const [counts, credits] = await Promise.all([
            figures.installCounts(),
            figures.credits({ kind: 'last_touch' }, defaultLookbackDays, null),
          ]);
          const installs = [...counts].reduce(
            (sum, [campaignId, count]) => sum + (campaignId === '' ? 0 : count.installs),
            0,
          );
          return {
            attributedInstalls: installs,
            organicInstalls: counts.get('')?.installs ?? 0,
            reinstalls: [...counts.values()].reduce((sum, count) => sum + count.reinstalls, 0),
            unattributedConversions: credits.unattributed.conversions,
          };
        },
      }),
    }),
  });
  asIdEntity(builder, App);
  return App;
}
