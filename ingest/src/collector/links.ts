import { CodedError, type DirectoryApp, type DirectoryKey, type DirectoryLink, limits, newId } from '@tributary/schema';
import { createLineBuilder } from './canonical.ts';
import { isBlankId, type TextField, textFields } from './client-fields.ts';
import type { Draft, Origin, PendingLine } from './draft.ts';
import { flagBit, noFlags } from './flags.ts';
import { createLinePacker, overheadBytes } from './line-packer.ts';
import { inexact } from './properties.ts';

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
]);
const maxOtherParameters = 50;

/** Programs that open links without a person: previews of messengers, crawlers, scripts. */
const bots = /bot|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|curl\/|wget\/|python-requests|headless/i;

export interface Click {
  readonly line: PendingLine;
  readonly clickId: string;
  /** Where the person is sent: the link's stored target with the click id in it. */
  readonly location: string;
}

export interface ClickRequest {
  readonly link: DirectoryLink;
  readonly app: DirectoryApp;
  readonly query: URLSearchParams;
  readonly receivedAt: number;
  readonly remoteAddress: string | null;
  readonly userAgent: string | null;
  readonly method: string;
}

/**
 * A click on a tracking link. Throws LINK_EXPIRED. The target comes from the link alone, so that no request can choose it;
 * whatever the request says besides is noted or cut, never a reason to refuse a person.
 */
export function buildClick(request: ClickRequest): Click {
  const { link, receivedAt } = request;
  if (link.expiresAt !== null && link.expiresAt <= receivedAt) throw new CodedError('LINK_EXPIRED');
  const clickId = newId('click');
  // Texts of a query were decoded: they may hold anything.
  const build = createLineBuilder(originOf(request), { sentAt: undefined, unescaped: false, ascii: false });
  const verdict = build(draftOf(request, clickId));
  if (verdict === inexact || !verdict.ok)
    throw new CodedError('INTERNAL', { cause: new Error(`a click of ${link.linkId} made no event`) });
  const pack = createLinePacker(verdict.line.head.length + verdict.line.client.length + overheadBytes);
  return { line: pack(verdict.line), clickId, location: targetOf(link.targetUrl, clickId) };
}

function originOf({ link, app, receivedAt, remoteAddress, userAgent, method }: ClickRequest): Origin {
  const isBot = method === 'HEAD' || userAgent === null || bots.test(userAgent);
  return {
    key: linkKey(link),
    app,
    sourceFormat: 'link',
    receivedAt,
    remoteAddress,
    userAgent,
    maxEventBytes: limits.eventBytes,
    flags: isBot ? flagBit('bot') : noFlags,
  };
}

function draftOf({ link, query }: ClickRequest, clickId: string): Draft {
  const draft: Record<string, unknown> = {
    event_id: clickId,
    event_name: 'click',
    event_kind: 'click',
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
  const isKnown = ['anonymous_id', 'user_id', 'gaid', 'idfa', 'idfv', 'android_id'].some(
    (field) => typeof draft[field] === 'string' && draft[field] !== '' && !isBlankId(draft[field]),
  );
  if (!isKnown) draft['anonymous_id'] = clickId;
  return draft;
}

/**
 * `{click_id}` in the target is filled; a Play Store target gets it as install referrer; else it is a query parameter. The
 * result is ASCII, as a header must be.
 */
export function targetOf(targetUrl: string, clickId: string): string {
  const filled = targetUrl.replaceAll('{click_id}', clickId);
  const target = URL.parse(filled);
  if (target === null) return encodeURI(filled);
  if (filled !== targetUrl) return target.href;
  if (target.hostname === 'play.google.com' || target.protocol === 'market:') {
    const before = target.searchParams.get('referrer');
    target.searchParams.set('referrer', `${before ? `${before}&` : ''}click_id=${clickId}`);
  } else target.searchParams.set('click_id', clickId);
  return target.href;
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
