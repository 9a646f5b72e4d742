import { isIP } from 'node:net';
import { type DirectoryApp, defaultIntakePolicy, type IntakePolicy } from '@tributary/schema';
import { createRecentAnswers } from '../enrich/recent-answers.ts';
import { createRangeCheck } from '../ip.ts';
import { createEventFilter, type EventFilter } from './event-filter.ts';

/** What an app's owner lets in, ready to be asked at every request: nothing is parsed or built there. */
export interface AppPolicy {
  /** Whether the owner refuses whoever sends a request, by address or user agent. */
  readonly refuses: (request: RequestFacts) => boolean;
  /** Whether the owner lets no page of the request's origin use a key. (Links are opened from anywhere.) */
  readonly refusesOrigin: (request: RequestFacts) => boolean;
  /** null = every event is kept. */
  readonly filter: EventFilter | null;
  readonly hashesDeviceIds: boolean;
  /** Events whose consent is denied lose device ids, address and user agent. */
  readonly needsConsent: boolean;
  /** What of the owner's lists can't be used, such as an address that is none. */
  readonly faults: readonly string[];
}

export interface RequestFacts {
  readonly remoteAddress: string | null;
  readonly userAgent: string | null;
  readonly header: (name: string) => string | undefined;
}

const policies = new WeakMap<DirectoryApp, AppPolicy>();

/** The policy of an app; compiled once for each app of a directory snapshot. */
export function policyOf(app: DirectoryApp): AppPolicy {
  const known = policies.get(app);
  if (known !== undefined) return known;
  const policy = compilePolicy(app.appId, app.intake ?? defaultIntakePolicy);
  policies.set(app, policy);
  return policy;
}

/** Pure. Entries that can't be used are named in `faults` and skipped: one typing error must not stop an app's intake. */
export function compilePolicy(appId: string, intake: IntakePolicy): AppPolicy {
  const faults: string[] = [];
  const isAddressBlocked = addressCheck(intake.blockedIps, faults) ?? never;
  const isAgentBlocked = agentCheck(intake.blockedUserAgents) ?? never;
  return {
    refuses: (request) => isAddressBlocked(request) || isAgentBlocked(request),
    refusesOrigin: originCheck(intake.webOrigins) ?? never,
    filter: createEventFilter(appId, intake),
    hashesDeviceIds: intake.hashDeviceIds,
    needsConsent: intake.consentPolicy === 'require',
    faults,
  };
}

const rememberedAddresses = 5_000;
const never: Check = () => false;
type Check = (request: RequestFacts) => boolean;

function addressCheck(blocked: readonly string[], faults: string[]): Check | null {
  const usable = blocked.filter((entry) => {
    const isUsable = isRange(entry);
    if (!isUsable) faults.push(`blockedIps: ${entry.slice(0, 100)} is neither an address nor a CIDR range`);
    return isUsable;
  });
  if (usable.length === 0) return null;
  // Asking costs some 5 µs, and the same addresses come again and again.
  const isBlocked = createRecentAnswers(rememberedAddresses, createRangeCheck(usable, 'blockedIps'));
  return ({ remoteAddress }) => remoteAddress !== null && isBlocked(remoteAddress);
}

function isRange(entry: string): boolean {
  const [address = '', prefix, ...rest] = entry.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}

function agentCheck(blocked: readonly string[]): Check | null {
  const texts = blocked.filter((text) => text !== '');
  if (texts.length === 0) return null;
  const pattern = new RegExp(texts.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'), 'i');
  return ({ userAgent }) => userAgent !== null && pattern.test(userAgent);
}

/** Senders that are no browsers name no origin; a page without one (a file, a sandboxed frame) names `null`. */
function originCheck(allowed: readonly string[]): Check | null {
  if (allowed.length === 0) return null;
  const origins = new Set(allowed.map((origin) => origin.toLowerCase().replace(/\/+$/, '')));
  return ({ header }) => {
    const origin = header('origin');
    return origin !== undefined && !origins.has(origin.toLowerCase());
  };
}
