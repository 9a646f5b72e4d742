import type { IdReference, SubgraphKit, TypeRef } from '../../src/kit.ts';
import type { StoredCandidate, StoredDecision } from '../decision-reader.ts';
import { explainCandidate, explainDecision } from '../domain/index.ts';
import type { AttributionEnums } from './enums.ts';

const referenceOf = (campaignId: string | null): IdReference | null =>
  campaignId === null ? null : { id: campaignId };

function addCandidate({ builder }: SubgraphKit, enums: AttributionEnums, Campaign: TypeRef<IdReference>) {
  return builder.objectRef<StoredCandidate>('AttributionCandidate').implement({
    description: 'A touchpoint that was seen while an install was decided.',
    fields: (t) => ({
      touchpointId: t.id({
        description: 'Event id of the click or impression.',
        resolve: ({ touchpoint }) => touchpoint.touchpointId,
      }),
      kind: t.field({
        type: enums.Kind,
        description: 'Click or impression.',
        resolve: ({ touchpoint }) => touchpoint.kind,
      }),
      occurredAt: t.field({
        type: 'DateTime',
        description: 'When it happened.',
        resolve: ({ touchpoint }) => touchpoint.occurredAt,
      }),
      campaign: t.field({
        type: Campaign,
        nullable: true,
        description: 'The campaign it names.',
        resolve: ({ touchpoint }) => referenceOf(touchpoint.campaignId),
      }),
      matchKey: t.field({
        type: enums.Match,
        description: 'What ties it to the install.',
        resolve: (candidate) => candidate.matchKey,
      }),
      eligible: t.exposeBoolean('eligible', { description: 'Whether it could have won.' }),
      reason: t.field({
        type: enums.Reason,
        description: 'Why it won or lost.',
        resolve: (candidate) => candidate.reason,
      }),
      ctitSeconds: t.exposeFloat('ctitSeconds', {
        description: 'Seconds from it to the install; negative when it came after.',
      }),
      windowHours: t.exposeFloat('windowHours', { description: 'The lookback window that applied, in hours.' }),
      explanation: t.string({
        description: 'The reason in a plain sentence.',
        resolve: (candidate) => explainCandidate({ ...candidate, kind: candidate.touchpoint.kind }),
      }),
    }),
  });
}

/** `AttributionDecision` with its candidates. */
export function addDecision(kit: SubgraphKit, enums: AttributionEnums, Campaign: TypeRef<IdReference>) {
  const Candidate = addCandidate(kit, enums, Campaign);
  return kit.builder.objectRef<StoredDecision>('AttributionDecision').implement({
    description: 'One decision about an install, with its evidence.',
    fields: (t) => ({
      revision: t.exposeInt('revision', { description: '1 for the first; the highest is in force.' }),
      decidedAt: t.expose('decidedAt', { type: 'DateTime', description: 'When it was decided.' }),
      trigger: t.field({
        type: enums.Trigger,
        description: 'Why this revision exists.',
        resolve: (decision) => decision.trigger,
      }),
      verdict: t.field({
        type: enums.Verdict,
        description: 'Install or reinstall.',
        resolve: (decision) => decision.verdict,
      }),
      rule: t.field({ type: enums.Rule, description: 'The rule that decided.', resolve: (decision) => decision.rule }),
      campaign: t.field({
        type: Campaign,
        nullable: true,
        description: 'null = organic.',
        resolve: (decision) => referenceOf(decision.campaignId),
      }),
      network: t.exposeString('network', { nullable: true, description: 'The network that brought it.' }),
      touchpointId: t.id({
        nullable: true,
        description: 'Event id of the touchpoint that won.',
        resolve: (decision) => decision.touchpointId,
      }),
      ctitSeconds: t.exposeFloat('ctitSeconds', {
        nullable: true,
        description: 'Seconds from the winning touchpoint to the install.',
      }),
      candidates: t.field({
        type: [Candidate],
        description: 'Every touchpoint seen.',
        resolve: (decision) => decision.candidates,
      }),
      explanation: t.string({
        description: 'What was decided and by which rule, in plain sentences.',
        resolve: (decision) => explainDecision({ ...decision, candidates: decision.candidates as never }),
      }),
    }),
  });
}
