import { type ArpuCurve, buildArpuCurve, ltvHorizons, ltvModel } from '@tributary/models';
import type { Clock } from '@tributary/platform/clock';
import type { ModelRuntime } from '@tributary/platform/model-runtime';
import type { Warehouse } from '@tributary/platform/warehouse';
import type { DirectoryApp } from '@tributary/schema';
import { ltvFeaturesOf } from './ltv-features.ts';
import type { LtvReader, LtvScope, LtvSelection, LtvSubject } from './ltv-reader.ts';
import { writePredictions } from './prediction-writer.ts';

const dayMs = 86_400_000;
/** The longest horizon: older installs have nothing left to predict. Their curve is read from as far back. */
const longestHorizon = Math.max(...ltvHorizons);
const curveMaxAgeMs = 600_000;
/** Change of the curve at the middle horizon from which every install is scored anew. */
const materialChange = 0.1;
const sweepEveryMs = 6 * 3_600_000;
const installsPerPage = 2_000;

interface AppCurve {
  readonly curve: ArpuCurve;
  readonly level: number;
  readonly installs: number;
  readonly builtAt: number;
}

interface AppState {
  readonly built: AppCurve;
  scoredSince: number;
  swept: { readonly at: number; readonly level: number } | null;
}

/** Scores the value of installs, app by app. Holds each app's curve; all else is in the warehouse. */
export interface LtvScorer {
  /** Installs decided within a span, at once. */
  scoreDecided(app: DirectoryApp, span: { fromMs: number; toMs: number }): Promise<number>;
  /**
   * Installs whose revenue changed in the span; all of the last 180 days where the app's curve moved by over a tenth, or
   * six hours went by, since ageing alone changes what is expected.
   */
  rescore(app: DirectoryApp, span: { fromMs: number; toMs: number }): Promise<number>;
}

interface LtvScorerDeps {
  readonly warehouse: Warehouse;
  readonly reader: LtvReader;
  readonly runtime: ModelRuntime;
  readonly clock: Clock;
  /** Asked between pages; a pass ends early, to be repeated, when true. */
  readonly stopped: () => boolean;
}

const scopeOf = (app: DirectoryApp, nowMs: number, days: number): LtvScope => ({
  tenantId: app.tenantId,
  appId: app.appId,
  currency: app.currency,
  sinceMs: nowMs - days * dayMs,
});

export function createLtvScorer(deps: LtvScorerDeps): LtvScorer {
  const { clock } = deps;
  const states = createStates(deps);
  return {
    async scoreDecided(app, span) {
      const state = await states.of(app);
      const count = await scoreSelection(deps, app, state.built.curve, 'decided', span);
      state.scoredSince += count;
      return count;
    },
    async rescore(app, span) {
      const state = await states.of(app);
      const { level, curve } = state.built;
      const now = clock.now();
      if (!isSweepDue(state, now)) return scoreSelection(deps, app, curve, 'revenue', span);
      const count = await scoreSelection(deps, app, curve, 'all', span);
      if (!deps.stopped()) state.swept = { at: now, level };
      return count;
    },
  };
}

function isSweepDue({ swept, built }: AppState, nowMs: number): boolean {
  if (swept === null || nowMs - swept.at >= sweepEveryMs) return true;
  return Math.abs(built.level - swept.level) > materialChange * Math.abs(swept.level);
}

/** Each app's curve, read again after ten minutes or once a tenth more installs came. */
function createStates({ reader, clock }: LtvScorerDeps) {
  const states = new Map<string, AppState>();
  return {
    async of(app: DirectoryApp): Promise<AppState> {
      const key = JSON.stringify([app.tenantId, app.appId, app.currency]);
      const held = states.get(key);
      const now = clock.now();
      if (held && now - held.built.builtAt < curveMaxAgeMs && held.scoredSince <= held.built.installs / 10) return held;
      // Curves look back twice as far as installs are scored, or their last days would rest on few.
      const { observations, installs } = await reader.readAges(scopeOf(app, now, 2 * longestHorizon), now);
      const curve = buildArpuCurve(observations, longestHorizon);
      const built = { curve, level: curve(ltvHorizons[1]), installs, builtAt: now };
      const state = { built, scoredSince: 0, swept: held?.swept ?? null };
      states.set(key, state);
      return state;
    },
  };
}

/** Scores a selection of an app's installs page by page. Returns how many. */
async function scoreSelection(
  deps: LtvScorerDeps,
  app: DirectoryApp,
  curve: ArpuCurve,
  selection: LtvSelection,
  span: { fromMs: number; toMs: number },
): Promise<number> {
  let count = 0;
  for (let afterId = ''; !deps.stopped(); ) {
    const scope = scopeOf(app, deps.clock.now(), longestHorizon);
    const page = await deps.reader.readSubjects(scope, selection, span, { afterId, limit: installsPerPage });
    if (page.length > 0) await scorePage(deps, app, curve, page);
    count += page.length;
    if (page.length < installsPerPage) break;
    afterId = page.at(-1)!.installId;
  }
  return count;
}

async function scorePage(
  { runtime, warehouse, clock }: LtvScorerDeps,
  app: DirectoryApp,
  curve: ArpuCurve,
  subjects: readonly LtvSubject[],
): Promise<void> {
  const nowMs = clock.now();
  const work = subjects.flatMap((subject) => ltvHorizons.map((horizonDays) => ({ subject, horizonDays })));
  const startedAt = performance.now();
  const outputs = await runtime.score(
    ltvModel.name,
    work.map(({ subject, horizonDays }) => ltvFeaturesOf(subject, curve, horizonDays, nowMs)),
  );
  const latencyUs = ((performance.now() - startedAt) * 1_000) / work.length;
  const scored = work.map(({ subject, horizonDays }, index) => ({
    tenantId: app.tenantId,
    appId: app.appId,
    installId: subject.installId,
    installedAt: subject.installedAt,
    currency: app.currency,
    horizonDays,
    output: outputs[index]!,
  }));
  await writePredictions(warehouse, ltvModel, scored, { scoredAt: nowMs, latencyUs });
}
