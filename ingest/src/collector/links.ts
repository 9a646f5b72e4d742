import { CodedError, type DirectoryApp, type DirectoryKey, type DirectoryLink, newId } from '@tributary/schema';
import { buildLine } from './canonical.ts';
import { textFields } from './client-fields.ts';
import type { PendingLine } from './draft.ts';

/** Query parameters of a tracking link that are noted with the click; everything else stays in the properties. */
const noted = [
  'gaid',
  'idfa',
  'idfv',
  'android_id',
  'anonymous_id',
  'user_id',
  'site_id',
  'creative_id',
  'adgroup_id',
  'keyword',
  'medium',
  'source',
] as const;

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

/** A click on a tracking link. Throws LINK_EXPIRED. The target comes from the link alone, so that no request can choose it. */
export function buildClick(request: ClickRequest): Click {
  const { link, app, receivedAt, userAgent } = request;
  if (link.expiresAt !== null && link.expiresAt <= receivedAt) throw new CodedError('LINK_EXPIRED');
  const clickId = newId('click');
  const isBot = request.method === 'HEAD' || userAgent === null || bots.test(userAgent);
  const verdict = buildLine(
    { ...draftOf(request, clickId), ...(isBot ? { is_bot: true } : {}) },
    {
      key: linkKey(link),
      app,
      sourceFormat: 'link',
      receivedAt,
      remoteAddress: request.remoteAddress,
      userAgent,
      maxEventBytes: 16_384,
    },
    { sentAt: undefined },
  );
  if (!verdict.ok)
    throw new CodedError('SCHEMA_VIOLATION', {
      message: verdict.refusal.message,
      details: { field: verdict.refusal.field },
    });
  const line = isBot ? { ...verdict.line, head: withFlag(verdict.line.head, 'bot') } : verdict.line;
  return { line, clickId, location: targetOf(link, clickId) };
}

/** The line always carries the flag `no_client_time`, since a click's time is the server's. */
const withFlag = (head: string, flag: string): string =>
  head.replace('"flags":["no_client_time"', `"flags":["no_client_time","${flag}"`);

function draftOf({ link, query }: ClickRequest, clickId: string): Record<string, unknown> {
  const draft: Record<string, unknown> = {
    event_id: clickId,
    event_name: 'click',
    event_kind: 'click',
    click_id: clickId,
    link_id: link.linkId,
    ...(link.campaignId === null ? {} : { campaign_id: link.campaignId }),
    ...(link.network === null ? {} : { network: link.network }),
  };
  const other: [string, string][] = [];
  for (const [name, value] of query) {
    if ((noted as readonly string[]).includes(name)) {
      if (value !== '') draft[name] = value.slice(0, textFields[name as keyof typeof textFields]);
    } else if (other.length < 50) other.push([name.slice(0, 100), value.slice(0, 1000)]);
  }
  if (other.length > 0) draft['properties'] = Object.fromEntries(other);
  // A browser tells no id: the click stands for itself until an install names it.
  if (!['anonymous_id', 'gaid', 'idfa', 'idfv', 'android_id', 'user_id'].some((name) => draft[name] !== undefined))
    draft['anonymous_id'] = clickId;
  return draft;
}

/** `{click_id}` in the target is filled; a Play Store target gets it as install referrer; else it is a query parameter. */
export function targetOf(link: Pick<DirectoryLink, 'targetUrl'>, clickId: string): string {
  if (link.targetUrl.includes('{click_id}'))
    return link.targetUrl.replaceAll('{click_id}', encodeURIComponent(clickId));
  const target = new URL(link.targetUrl);
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
