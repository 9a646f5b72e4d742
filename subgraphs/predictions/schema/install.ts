import { fraudModel, ltvModel } from '@tributary/models';
import { CodedError, parseInstallId } from '@tributary/schema';
import {
  asIdEntity,
  type IdReference,
  operationNow,
  requireApp,
  type SubgraphContext,
  type SubgraphKit,
  type TypeRef,
} from '../../src/kit.ts';
import type { SubgraphDeps } from '../../src/types.ts';
import { moneyOf } from '../domain/cohort-ltv.ts';
import { type FraudVerdict, fraudVerdictOf } from '../domain/fraud-verdict.ts';
import type { InstallPrediction, InstallReader } from '../install-reader.ts';
import { installLoader } from '../loaders.ts';
import { horizonDescription, requireHorizon } from './horizon.ts';

interface LtvPrediction extends InstallPrediction {
  readonly horizonDays: number;
}

function addFraudAssessment({ builder }: SubgraphKit) {
  const Verdict = builder.enumType('FraudVerdict', {
    description: 'What a fraud score means.',
    values: {
      CLEAN: { description: 'Score below 0.5.' },
      SUSPECT: { description: 'Score from 0.5.' },
      FRAUD: { description: 'Score from 0.8.' },
    } satisfies Record<FraudVerdict, { description: string }>,
  });
  return builder.objectRef<InstallPrediction>('FraudAssessment').implement({
    description: 'How likely an install is made up or stolen.',
    fields: (t) => ({
      score: t.exposeFloat('score', { description: '0…1' }),
      verdict: t.field({
        type: Verdict,
        description: 'The score in words.',
        resolve: ({ score }) => fraudVerdictOf(score),
      }),
      reasons: t.exposeStringList('because', { description: 'What spoke for fraud, strongest first.' }),
      model: t.string({ description: 'Which model said so.', resolve: () => fraudModel.name }),
      modelVersion: t.exposeString('modelVersion', { description: 'Its version.' }),
      scoredAt: t.expose('scoredAt', { type: 'DateTime', description: 'When.' }),
    }),
  });
}

function addLtvPrediction({ builder, Money }: SubgraphKit) {
  return builder.objectRef<LtvPrediction>('LtvPrediction').implement({
    description: 'What an install is expected to bring.',
    fields: (t) => ({
      value: t.field({
        type: Money,
        description: 'Over the horizon from the install on; what it already brought is in it.',
        resolve: ({ amount, unit }) => moneyOf(amount, unit),
      }),
      horizonDays: t.exposeInt('horizonDays', { description: 'Days after the install.' }),
      model: t.string({ description: 'Which model said so.', resolve: () => ltvModel.name }),
      modelVersion: t.exposeString('modelVersion', { description: 'Its version.' }),
      scoredAt: t.expose('scoredAt', { type: 'DateTime', description: 'When.' }),
    }),
  });
}

/** `Install.fraud` and `Install.predictedLtv`. */
export function addInstall(kit: SubgraphKit, deps: SubgraphDeps, reader: InstallReader): TypeRef<IdReference> {
  const { builder } = kit;
  const FraudAssessment = addFraudAssessment(kit);
  const Ltv = addLtvPrediction(kit);
  const load = (id: string, model: string, horizonDays: number, context: SubgraphContext) => {
    const parts = parseInstallId(id);
    if (!parts) throw new CodedError('NOT_FOUND', { message: 'There is no install of that id.', details: { id } });
    const { appId } = requireApp(context, deps.directory, parts.appId);
    const { directory, clock } = deps;
    const nowMs = operationNow(context, clock);
    return installLoader(context, { reader, directory }, { appId, model, horizonDays, nowMs }).load(id);
  };
  const Install = builder.objectRef<IdReference>('Install');
  Install.implement({
    description: 'An install of an app.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'App, wire format and event id, `app:format:id`.' }),
      fraud: t.field({
        type: FraudAssessment,
        nullable: true,
        description: 'null until it is scored, moments after it is attributed.',
        resolve: ({ id }, _args, context) => load(id, fraudModel.name, 0, context),
      }),
      predictedLtv: t.field({
        type: Ltv,
        nullable: true,
        description: 'null until it is scored; a reinstall has none.',
        args: { horizonDays: t.arg.int({ required: true, defaultValue: 90, description: horizonDescription }) },
        resolve: async ({ id }, args, context) => {
          const horizonDays = requireHorizon(args.horizonDays);
          const found = await load(id, ltvModel.name, horizonDays, context);
          return found && { ...found, horizonDays };
        },
      }),
    }),
  });
  asIdEntity(builder, Install);
  return Install;
}
