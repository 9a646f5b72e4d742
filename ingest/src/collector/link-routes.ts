import type { Directory } from '@tributary/platform/directory';
import { indexDirectory } from '@tributary/platform/directory/lookup';
import { CodedError, type DirectoryApp, type DirectoryKey, type DirectoryLink } from '@tributary/schema';
import { renderSVG } from 'uqr';
import { errorResponse, jsonAnswer } from './answers.ts';
import { authorize } from './authorize.ts';
import type { Enrichment } from './enrich/enrichment.ts';
import { keyInAuthorization } from './formats/format.ts';
import { appLinksOf } from './link-apps.ts';
import { buildClick, buildTouch, deviceIdsOf, type Touch, type TouchRequest } from './links.ts';
import type { CollectorOutcome } from './outcome.ts';
import { policyOf } from './policy/app-policy.ts';
import type { RecentClick, RecentClicks } from './recent-clicks.ts';
import type { CollectorRequest, CollectorResponse } from './request.ts';

export interface LinkRoutesDeps {
  readonly directory: Directory;
  readonly enrichment: Enrichment;
  readonly keyOf: (rawKey: string) => DirectoryKey | null;
  readonly recentClicks?: RecentClicks | undefined;
  readonly publicUrl?: string | null | undefined;
}

type Route = (request: CollectorRequest) => CollectorOutcome;

const linkPath = /^\/(c|i)\/([A-Za-z0-9_-]{1,64})(\/qr\.svg)?$/;

/**
 * All that people and stores open by GET: `/c/:link`, `/c/:link/qr.svg`, `/i/:link`, `/v1/deferred-deep-link`, and the two
 * files that let apps open links. Throws NOT_FOUND for any other path.
 */
export function createLinkRoutes(deps: LinkRoutesDeps): Route {
  const fixed: ReadonlyMap<string, Route> = new Map<string, Route>([
    ['/v1/deferred-deep-link', (request) => findDeepLink(deps, request)],
    ['/.well-known/apple-app-site-association', () => answered(cached(appLinksOf(deps.directory.current()).apple))],
    ['/apple-app-site-association', () => answered(cached(appLinksOf(deps.directory.current()).apple))],
    ['/.well-known/assetlinks.json', () => answered(cached(appLinksOf(deps.directory.current()).android))],
  ]);
  return (request) => {
    const match = linkPath.exec(request.path);
    const route = match ? null : fixed.get(request.path);
    if (!match && !route) {
      throw new CodedError(/^\/[ci]\//.test(request.path) ? 'LINK_UNKNOWN' : 'NOT_FOUND');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new CodedError('METHOD_NOT_ALLOWED', { details: { allow: 'GET, HEAD' } });
    if (!match) return route!(request);
    const [, kind, slug, qr] = match;
    const found = findLink(deps.directory, request, slug!);
    if (qr !== undefined) {
      if (kind !== 'c') throw new CodedError('LINK_UNKNOWN');
      return answered(qrOf(deps, request, found.link));
    }
    const touched = { ...request, ...found, enrichment: deps.enrichment, query: new URLSearchParams(request.query) };
    return kind === 'c' ? takeClick(deps, touched) : takeImpression(touched);
  };
}

function answered(response: CollectorResponse): CollectorOutcome {
  return { kind: 'answered', response };
}

interface FoundLink {
  readonly link: DirectoryLink;
  readonly app: DirectoryApp;
  readonly campaignName: string | null;
}

function findLink(directory: Directory, request: CollectorRequest, slug: string): FoundLink {
  const index = indexDirectory(directory.current());
  const link = index.linkBySlug.get(slug);
  const app = link && index.appById.get(link.appId);
  if (!link || !app) throw new CodedError('LINK_UNKNOWN');
  if (!app.enabled) throw new CodedError('SOURCE_DISABLED');
  if (policyOf(app).refuses(request)) throw new CodedError('REQUEST_BLOCKED');
  const campaign = link.campaignId === null ? undefined : index.campaignById.get(link.campaignId);
  return { link, app, campaignName: campaign?.name ?? null };
}

type Touched = TouchRequest & FoundLink & { readonly requestId: string };

const touchHeaders = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } as const;

function takeClick({ recentClicks }: LinkRoutesDeps, request: Touched): CollectorOutcome {
  const click = buildClick(request);
  const { link, app, receivedAt } = request;
  const remember = () => {
    const { clickId, names } = click;
    const likeness = likenessOf(request);
    const deepLinkPath = link.deepLinkPath ?? null;
    void recentClicks?.remember(
      app,
      { ...names, likeness },
      { clickId, linkId: link.linkId, deepLinkPath, clickedAt: receivedAt },
    );
  };
  return {
    ...stored(click, request),
    // A preview's click is nobody's.
    ...(click.isBot || !recentClicks ? {} : { onStored: remember }),
    response: {
      status: 302,
      headers: { location: click.location, ...touchHeaders, 'x-click-id': click.clickId },
      body: '',
    },
  };
}

/** One transparent pixel. */
const pixel = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

function takeImpression(request: Touched): CollectorOutcome {
  const touch = buildTouch(request, 'impression');
  return {
    ...stored(touch, request),
    response: {
      status: 200,
      headers: { 'content-type': 'image/gif', ...touchHeaders, 'x-click-id': touch.clickId },
      body: '',
      bytes: pixel,
    },
  };
}

function stored({ lines, fate }: Touch, { requestId }: Touched) {
  return {
    kind: 'store',
    lines,
    deadLetters: [],
    filtered: { blocked: fate === 'blocked' ? 1 : 0, sampledOut: fate === 'sampled_out' ? 1 : 0 },
    unstored: (error: CodedError) => errorResponse(error, requestId),
  } as const;
}

/** Address and system: what a browser and an app on one phone have in common. null where either is unknown. */
function likenessOf(request: Pick<Touched, 'remoteAddress' | 'userAgent' | 'enrichment'>): string | null {
  const { platform, osVersion } = request.enrichment.agentOf(request.userAgent).facts;
  return request.remoteAddress === null || platform === null
    ? null
    : `${request.remoteAddress}\u001f${platform}\u001f${osVersion ?? ''}`;
}

/** What the app that was just installed shall open. The key says which app asks, so that no one finds another's clicks. */
function findDeepLink(deps: LinkRoutesDeps, request: CollectorRequest): CollectorOutcome {
  const query = new URLSearchParams(request.query);
  const rawKey = keyInAuthorization(request) ?? query.get('write_key');
  const { app } = authorize(rawKey === null ? null : deps.keyOf(rawKey), deps.directory, request);
  const { recentClicks, enrichment } = deps;
  const named = Object.fromEntries(query);
  const names = {
    clickId: query.get('click_id')?.slice(0, 200) ?? null,
    deviceIds: deviceIdsOf(named, app, enrichment),
    likeness: likenessOf({ ...request, enrichment }),
  };
  if (!recentClicks) return answered(deepLinkAnswer(null));
  return {
    kind: 'asked',
    response: deepLinkAnswer(null),
    answer: recentClicks.find(app, names).then(deepLinkAnswer),
  };
}

function deepLinkAnswer(click: RecentClick | null): CollectorResponse {
  const body = {
    deep_link_path: click?.deepLinkPath ?? null,
    click_id: click?.clickId ?? null,
    link_id: click?.linkId ?? null,
    clicked_at: click?.clickedAt ?? null,
  };
  return jsonAnswer(200, body, { 'cache-control': 'no-store' });
}

function cached(body: string): CollectorResponse {
  return { status: 200, headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' }, body };
}

const hostHeader = /^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\])(:\d{1,5})?$/;
const maxQrQueryChars = 500;

/** The link as a QR code, with the query that came along: a poster names its site so. Throws NOT_FOUND without a host. */
function qrOf({ publicUrl }: LinkRoutesDeps, request: CollectorRequest, link: DirectoryLink): CollectorResponse {
  if (link.expiresAt !== null && link.expiresAt <= request.receivedAt) throw new CodedError('LINK_EXPIRED');
  const host = request.header('host') ?? '';
  if (!publicUrl && !hostHeader.test(host)) throw new CodedError('NOT_FOUND');
  const scheme = request.header('x-forwarded-proto') === 'https' ? 'https' : 'http';
  const query = new URLSearchParams(request.query.slice(0, maxQrQueryChars)).toString();
  const url = `${publicUrl?.replace(/\/+$/, '') ?? `${scheme}://${host}`}/c/${link.slug}${query === '' ? '' : `?${query}`}`;
  return {
    status: 200,
    headers: {
      'content-type': 'image/svg+xml',
      'cache-control': publicUrl ? 'public, max-age=3600' : 'no-store',
      'content-security-policy': "default-src 'none'",
    },
    body: renderSVG(url, { ecc: 'M', border: 4 }),
  };
}
