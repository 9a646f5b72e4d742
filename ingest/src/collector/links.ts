import {
  CodedError,
  type DirectoryApp,
  type DirectoryKey,
  type DirectoryLink,
  deviceIdFields,
  limits,
  newId,
} from '@tributary/schema';
import { createLineBuilder } from './canonical.ts';
import { isBlankId, type TextField, textFields } from './client-fields.ts';
import type { BuiltLine, Draft, Origin, PendingLine } from './draft.ts';
import type { Enrichment } from './enrich/enrichment.ts';
import { flagBit, noFlags } from './flags.ts';
import { createLinePacker, overheadBytes } from './line-packer.ts';
import { chooseTarget, deviceClassOf, fillTarget, isSafeTarget } from './links-target.ts';
import { policyOf } from './policy/app-policy.ts';
import { deniesConsent } from './policy/consent.ts';
import type { FilterVerdict } from './policy/event-filter.ts';
import { inexact } from './properties.ts';
import type { ClickNames } from './recent-clicks.ts';

/** Query parameters that are noted with the click, and their fields; everything else stays in the properties. */
const noted: ReadonlyMap<string, TextField> = new Map<string, TextField>([
  ['gaid', 'gaid'],
  ['idfa', 'idfa'],
  ['idfv', 'idfv'],
  ['android_id', 'android_id'],
  ['anonymous_id', 'anonymous_id'],
  ['user_id', 'user_id'],
  ['site_id', 'site_id'],
  ['site', 'site_id'],
  ['creative_id', 'creative_id'],
  ['creative', 'creative_id'],
  ['adgroup_id', 'adgroup_id'],
  ['adgroup', 'adgroup_id'],
  ['keyword', 'keyword'],
  ['medium', 'medium'],
  ['source', 'source'],
  ['consent', 'consent'],
]);
const maxOtherParameters = 50;

/** Programs that open links without a person: previews of messengers, crawlers, scripts. */
const bots = /bot|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|curl\/|wget\/|python-requests|headless/i;

export type TouchKind = 'click' | 'impression';

export interface Touch {
  /** Empty where the app's owner has blocked or sampled out such events. */
  readonly lines: readonly PendingLine[];
  readonly fate: FilterVerdict;
  readonly clickId: string;
  readonly isBot: boolean;
  /** What a deferred deep link may find the click by. */
  readonly names: ClickNames;
}

export interface Click extends Touch {
  /** Where the person is sent: one of the link's stored targets with the click id in it. */
  readonly location: string;
}

export interface TouchRequest {
  readonly link: DirectoryLink;
  readonly app: DirectoryApp;
  readonly query: URLSearchParams;
  readonly receivedAt: number;
  readonly remoteAddress: string | null;
  readonly userAgent: string | null;
  readonly method: string;
  readonly enrichment: Enrichment;
}

/**
 * A click on a tracking link. Throws LINK_EXPIRED, or LINK_UNKNOWN where the link's target can't be sent to. Targets come
 * from the link alone, so that no request can choose one; whatever the request says besides is noted or cut, never a reason
 * to refuse a person. A program that opens the link is sent on as a person is (previews need it), and its click is flagged.
 */
export function buildClick(request: TouchRequest & { readonly campaignName: string | null }): Click {
  const { link, enrichment, query } = request;
  const touch = buildTouch(request, 'click');
  const { platform } = enrichment.agentOf(request.userAgent).facts;
  const country = enrichment.placeOf(request.remoteAddress).place?.country ?? null;
  const target = chooseTarget(link, deviceClassOf(platform), country);
  if (!isSafeTarget(target)) throw new CodedError('LINK_UNKNOWN');
  const noted = (...names: string[]) =>
    names
      .map((name) => query.get(name))
      .find((value) => value)
      ?.slice(0, 200) ?? null;
  const location = fillTarget(target, {
    click_id: touch.clickId,
    campaign_id: link.campaignId,
    campaign_name: request.campaignName,
    network: link.network,
    country,
    platform,
    site_id: noted('site_id', 'site'),
    creative_id: noted('creative_id', 'creative'),
  });
  return { ...touch, location };
}

/** A click or an impression as an event of the link's app. Throws LINK_EXPIRED. */
export function buildTouch(request: TouchRequest, kind: TouchKind): Touch {
  const { link, receivedAt, enrichment, app } = request;
  if (link.expiresAt !== null && link.expiresAt <= receivedAt) throw new CodedError('LINK_EXPIRED');
  const clickId = newId('click');
  const isBot = request.method === 'HEAD' || request.userAgent === null || bots.test(request.userAgent);
  const draft = draftOf(request, kind, clickId);
  // Texts of a query were decoded: they may hold anything.
  const build = createLineBuilder(originOf(request, isBot), { sentAt: undefined, unescaped: false, ascii: false });
  const verdict = build(draft);
  if (verdict === inexact || !verdict.ok)
    throw new CodedError('INTERNAL', { cause: new Error(`a ${kind} of ${link.linkId} made no event`) });
  const { line } = verdict;
  return {
    lines: line.fate === 'kept' ? [packed(line)] : [],
    fate: line.fate,
    clickId,
    isBot,
    names: { clickId, deviceIds: deviceIdsOf(draft, app, enrichment) },
  };
}

function packed(line: BuiltLine): PendingLine {
  return createLinePacker(line.head.length + line.client.length + overheadBytes)(line);
}

/** The device ids that a draft or query names, as the app has them stored. */
export function deviceIdsOf(
  draft: Draft,
  app: DirectoryApp,
  enrichment: Enrichment,
): NonNullable<ClickNames['deviceIds']> {
  const policy = policyOf(app);
  if (policy.needsConsent && deniesConsent(draft['consent'])) return {};
  const ids: [string, string][] = [];
  for (const field of deviceIdFields) {
    const id = draft[field];
    if (typeof id !== 'string' || id === '' || isBlankId(id)) continue;
    ids.push([field, policy.hashesDeviceIds ? enrichment.hashDeviceId(app.appId, id.toWellFormed()) : id]);
  }
  return Object.fromEntries(ids);
}

function originOf(request: TouchRequest, isBot: boolean): Origin {
  const { link, app, receivedAt, remoteAddress, userAgent, enrichment } = request;
  return {
    key: linkKey(link),
    app,
    sourceFormat: 'link',
    receivedAt,
    remoteAddress,
    userAgent,
    maxEventBytes: limits.eventBytes,
    enrichment,
    flags: isBot ? flagBit('bot') : noFlags,
  };
}

function draftOf({ link, query }: TouchRequest, kind: TouchKind, clickId: string): Draft {
  const draft: Record<string, unknown> = {
    event_id: clickId,
    event_name: kind,
    event_kind: kind,
    click_id: clickId,
    link_id: link.linkId,
    campaign_id: link.campaignId,
    network: link.network,
  };
  const other = new Map<string, string>();
  for (const [name, value] of query) {
    const field = noted.get(name);
    if (field !== undefined) draft[field] = value.slice(0, textFields[field]);
    else if (other.size < maxOtherParameters) other.set(name.slice(0, 100), value.slice(0, 1000));
  }
  if (other.size > 0) draft['properties'] = Object.fromEntries(other);
  // A browser tells no id, a phone without tracking a blank one: the click stands for itself until an install names it.
  const isKnown = ['anonymous_id', 'user_id', ...deviceIdFields].some(
    (field) => typeof draft[field] === 'string' && draft[field] !== '' && !isBlankId(draft[field]),
  );
  if (!isKnown) draft['anonymous_id'] = clickId;
  return draft;
}

/** A link acts with the rights of its own app and no key. */
function linkKey(link: DirectoryLink): DirectoryKey {
  return {
    keyId: link.linkId,
    kind: 'write',
    hash: '',
    tenantId: link.tenantId,
    appIds: [link.appId],
    scopes: ['ingest:write'],
    enabled: true,
  };
}
