import type { Clock } from '@tributary/platform/clock';
import type { InstallAttribution, Touchpoint } from '@tributary/schema';
import {
  decideInstall,
  type MatchedTouchpoint,
  matchKeyOf,
  sameOutcome,
  sharesDevice,
} from '@tributary/subgraphs/attribution/domain';
import type { AppFacts } from './app-facts.ts';
import { batchesOf } from './batches.ts';
import { type DecisionStore, numbered } from './decision-store.ts';
import type { AppRange, EventReader, InstallRow, TouchpointRow } from './event-reader.ts';
import { deviceIdListsOf, deviceKeysOf, distinct, idsOf, indexByKeys } from './keys.ts';
import type { NewEvent } from './scan-reader.ts';

const hourMs = 3_600_000;
const dayMs = 86_400_000;
/** Touchpoints up to the widest window an app may have are shown as evidence, even outside its own window. */
const evidenceMs = 30 * dayMs;
/** Touchpoints this long after an install are shown as evidence, as coming too late. */
const afterInstallMs = hourMs;

export interface DecideDeps {
  readonly reader: EventReader;
  readonly store: DecisionStore;
  readonly clock: Clock;
}

/**
 * The installs that new events may change, the new ones among them: those that share a key with a new click or
 * impression, or a device with a new install.
 */
export async function readAffectedInstalls(
  deps: Pick<DecideDeps, 'reader'>,
  app: AppFacts,
  events: readonly NewEvent[],
): Promise<readonly InstallRow[]> {
  const triggers = events.filter(isTrigger);
  if (triggers.length === 0) return [];
  const times = triggers.map((event) => event.occurredAt);
  const reachMs = Math.max(lookbackMsOf(app), app.windows.reinstallDays * dayMs);
  const installs = triggers.filter((event) => event.kind === 'install');
  return deps.reader.readInstalls(
    // A later touchpoint or install changes nothing of an earlier install.
    { ...app, fromMs: minOf(times), toMs: maxOf(times) + reachMs },
    {
      ids: deviceIdListsOf(triggers),
      installIds: installs.map((event) => event.ref),
      deviceKeys: distinct(installs.map((event) => event.deviceKey)),
      clickIds: distinct(triggers.flatMap((event) => (event.kind === 'install' ? [] : [event.clickId]))),
    },
  );
}

/** Whether an event may change decisions: an install or an engagement. All others are conversions only. */
export const isTrigger = ({ kind }: NewEvent): boolean =>
  kind === 'install' || kind === 'click' || kind === 'impression';

/** Decides installs and stores what is new. Returns the revisions written. */
export async function decideInstalls(
  deps: DecideDeps,
  app: AppFacts,
  installs: readonly InstallRow[],
): Promise<readonly InstallAttribution[]> {
  const written: InstallAttribution[] = [];
  const keysOf = (one: InstallRow) => [...idsOf(one), one.installId, one.deviceKey, one.clickId + one.referrerClickId];
  for (const batch of batchesOf(installs, keysOf)) written.push(...(await decideBatch(deps, app, batch)));
  return written;
}

async function decideBatch(
  deps: DecideDeps,
  app: AppFacts,
  installs: readonly InstallRow[],
): Promise<readonly InstallAttribution[]> {
  const { touchpoints, relatives, active } = await readEvidence(deps, app, installs);
  const touchpointsOf = touchpointMatcher(touchpoints);
  const relativesOf = relativeMatcher(relatives);
  const decidedAt = deps.clock.now();
  const changed = installs.flatMap((install) => {
    const decision = decideInstall({
      install: {
        tenantId: app.tenantId,
        appId: app.appId,
        installId: install.installId,
        deviceKey: install.deviceKey,
        installedAt: install.installedAt,
        installBeginAt: install.beganAt || null,
        country: install.country || null,
        platform: install.platform || null,
      },
      // By the install's own times, not the batch's: what is decided must not depend on the company.
      touchpoints: touchpointsOf(install).filter(
        ({ touchpoint: { occurredAt } }) =>
          occurredAt >= install.installedAt - lookbackMsOf(app) && occurredAt <= install.installedAt + afterInstallMs,
      ),
      windows: app.windows,
      knownCampaigns: app.knownCampaigns,
      deviceInstalls: relativesOf(install),
    });
    const before = active.get(install.installId);
    return before && sameOutcome(before, decision) ? [] : [numbered(decision, before, decidedAt)];
  });
  await deps.store.write(changed);
  return changed;
}

/** What may have brought a batch of installs, the other installs of their devices, and what is decided about them. */
async function readEvidence({ reader, store }: DecideDeps, app: AppFacts, installs: readonly InstallRow[]) {
  const times = installs.map((one) => one.installedAt);
  const range: AppRange = { tenantId: app.tenantId, appId: app.appId, fromMs: minOf(times), toMs: maxOf(times) };
  const ids = deviceIdListsOf(installs);
  const [touchpoints, relatives, active] = await Promise.all([
    reader.readTouchpoints(
      { ...range, fromMs: range.fromMs - lookbackMsOf(app), toMs: range.toMs + afterInstallMs },
      { ids, clickIds: distinct(installs.flatMap((one) => [one.clickId, one.referrerClickId])) },
    ),
    reader.readInstalls(
      { ...range, fromMs: range.fromMs - app.windows.reinstallDays * dayMs },
      { ids, deviceKeys: distinct(installs.map((one) => one.deviceKey)) },
    ),
    store.readActive(
      range,
      installs.map((one) => one.installId),
    ),
  ]);
  return { touchpoints, relatives, active };
}

/** Finds the touchpoints that a key ties to an install or conversion, with that key. */
export function touchpointMatcher(rows: readonly TouchpointRow[]) {
  const index = indexByKeys(rows, (row) => [...deviceKeysOf(row), `c:${row.clickId}`]);
  return (keys: Parameters<typeof matchKeyOf>[0]): MatchedTouchpoint[] => {
    const found = index.find([...deviceKeysOf(keys), `c:${keys.clickId}`, `c:${keys.referrerClickId}`]);
    return [...found].flatMap((row) => {
      const matchKey = matchKeyOf(keys, row);
      return matchKey === null ? [] : [{ touchpoint: touchpointOf(row), matchKey }];
    });
  };
}

/** Finds the installs of an install's device, itself among them. */
function relativeMatcher(rows: readonly InstallRow[]) {
  const index = indexByKeys(rows, (row) => [...deviceKeysOf(row), `k:${row.deviceKey}`]);
  return (install: InstallRow) =>
    [...index.find([...deviceKeysOf(install), `k:${install.deviceKey}`])].filter(
      (row) => row.deviceKey === install.deviceKey || sharesDevice(row, install),
    );
}

function touchpointOf(row: TouchpointRow): Touchpoint {
  return {
    touchpointId: row.eventId,
    kind: row.kind,
    occurredAt: row.occurredAt,
    receivedAt: row.receivedAt,
    campaignId: row.campaignId || null,
    network: row.network || null,
    linkId: row.linkId || null,
    clickId: row.clickId || null,
    siteId: row.siteId || null,
    isBot: row.isBot === 1,
  };
}

function lookbackMsOf({ windows }: AppFacts): number {
  return Math.max(evidenceMs, windows.clickLookbackHours * hourMs, windows.viewLookbackHours * hourMs);
}

// Not Math.min(...all): a batch is longer than an argument list may be.
export const minOf = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
export const maxOf = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);
