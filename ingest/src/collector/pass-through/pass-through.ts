import { isUtf8 } from 'node:buffer';
import { dedupeKeyOf } from '@tributary/schema';
import { type LineFrame, lineFrameOf } from '../canonical.ts';
import type { Origin, PendingLine } from '../draft.ts';
import type { AgentFacts } from '../enrich/agent-facts.ts';
import { memberOf } from '../enrich/enrichment.ts';
import type { Hash } from '../hash-bytes.ts';
import { createLineCore, type LineCore } from './line-core.ts';
import type { StagedLines } from './staged-lines.ts';

/** A body whose events were all clean. */
export interface PassedThrough {
  readonly lines: StagedLines;
  readonly single: boolean;
  /** The ids as JSON. */
  readonly eventIds: string;
}

/**
 * The short way of the native API: events that need no change are copied from the body's bytes into their lines, in one scan,
 * without becoming objects or texts. null = the body holds something unusual, and goes the long way as a whole. Both ways
 * write the same bytes for the same event: a repeat that goes the other way has the same payload hash.
 */
export type PassThrough = (body: Uint8Array, origin: Origin) => PassedThrough | null;

/** Of a larger body the lines would need more memory than a worker should hold for good. */
const maxBodyBytes = 2_097_152;
/** Lines are about twice as long as their events; short events' more, and then there is more room after the first try. */
const expectedGrowth = 3;
const mostGrowth = 24;
const leastRoom = 16_384;
/** What may be read behind a text, and written behind a target. */
const spareBytes = 64;
const noRoom = -1;
/** Bits of the survey. */
const beyondAscii = 1;
const backslash = 2;

/** (Over 50 lines: short functions over one instance of the module.) */
export function createPassThrough(): PassThrough {
  const core = createLineCore();
  let turn = 0;

  const stagedLines = ({ tenantId, appId }: Origin['app'], length: number, at: number): StagedLines => {
    const own = turn;
    const staged = () => {
      if (own !== turn) throw new Error('lines were used after the next request was taken');
      return { core, at };
    };
    const lines = { tenantId, appId, length, bytes: endOf(core, length - 1), staged };
    return { ...lines, lasting: () => lastingLines(lines) };
  };

  /** Where a body of so many bytes has its lines, aligned. */
  const targetFor = (bodyBytes: number) => (core.at.free + bodyBytes + spareBytes + 15) & ~15;

  const takeBody = (body: Uint8Array, frame: LineFrame): number => {
    const { receivedAt } = frame.origin;
    const at = core.at.free;
    const target = targetFor(body.length);
    for (let growth = expectedGrowth; growth <= mostGrowth; growth *= 2) {
      const end = target + body.length * growth + leastRoom;
      core.grow(end + body.length * 2 + spareBytes);
      const backfill = frame.mayBackfill ? 1 : 0;
      const count = core.run.takeBody(at, body.length, target, end, end, receivedAt, backfill);
      if (count !== noRoom) return count;
    }
    return 0;
  };

  return (body, origin) => {
    if (body.length === 0 || body.length > maxBodyBytes) return null;
    turn += 1;
    core.grow(targetFor(body.length));
    core.memory.bytes.set(body, core.at.free);
    const survey = core.run.survey(core.at.free, body.length);
    if ((survey & backslash) !== 0 || ((survey & beyondAscii) !== 0 && !isUtf8(body))) return null;
    const frame = lineFrameOf(origin, { sentAt: undefined, unescaped: true, ascii: false });
    if (frame.isPrivate || frame.policy.filter !== null || !setContext(core, frame)) return null;
    const count = takeBody(body, frame);
    if (count === 0) return null;
    const idsAt = core.at.ids;
    const idsEnd = idsAt + core.run.idsLength() - 1;
    const encoding = (survey & beyondAscii) === 0 ? 'latin1' : 'utf8';
    return {
      lines: stagedLines(origin.app, count, targetFor(body.length)),
      single: core.run.wasSingle() === 1,
      eventIds: `[${core.memory.bytes.toString(encoding, idsAt, idsEnd)}]`,
    };
  };
}

/** What all lines of a body share; false when one of it is longer than the module holds. */
function setContext(core: LineCore, { origin, opening, ip, userAgent, place, agent }: LineFrame): boolean {
  const { app, sourceFormat } = origin;
  return (
    core.setText('prefix', opening + ip + userAgent) &&
    core.setText('wholePlace', place.whole) &&
    core.setText('countryPlace', place.country) &&
    core.setText('agentWhole', agent.whole) &&
    (agent.whole === '' || setAgentParts(core, agent.facts)) &&
    core.setText('currency', app.currency) &&
    core.setText('dedupeKey', dedupeKeyOf(app.appId, sourceFormat, ''))
  );
}

function setAgentParts(core: LineCore, { platform, osVersion, deviceModel }: AgentFacts): boolean {
  return (
    core.setText('agentPlatform', memberOf('platform', platform)) &&
    core.setText('agentVersion', memberOf('os_version', osVersion)) &&
    core.setText('agentModel', memberOf('device_model', deviceModel)) &&
    core.setText('agentName', platform ?? '')
  );
}

/** Of each line: where it ends behind the first one's start, its minute, both hashes. */
const wordsOfLine = 6;

function endOf({ memory, at }: LineCore, index: number): number {
  return memory.words[at.lines / 4 + index * wordsOfLine]!;
}

function lastingLines({ staged, tenantId, appId, length, bytes }: Omit<StagedLines, 'lasting'>): PendingLine[] {
  const { core, at } = staged();
  const { words } = core.memory;
  const copied = Buffer.from(core.memory.bytes.subarray(at, at + bytes));
  const hashAt = (place: number): Hash => ({ low: words[place]!, high: words[place + 1]! });
  return Array.from({ length }, (_, index) => {
    const line = core.at.lines / 4 + index * wordsOfLine;
    return {
      tenantId,
      appId,
      bytes: copied,
      start: index === 0 ? 0 : endOf(core, index - 1),
      end: endOf(core, index),
      dedupeHash: hashAt(line + 2),
      payloadHash: hashAt(line + 4),
      minute: words[line + 1]! * 60_000,
    };
  });
}
