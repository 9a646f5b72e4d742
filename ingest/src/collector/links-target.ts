import type { DirectoryLink, LinkTarget } from '@tributary/schema';

/** What a target's macros are filled with; null = filled with nothing. */
export interface MacroValues {
  readonly click_id: string;
  readonly campaign_id: string | null;
  readonly campaign_name: string | null;
  readonly network: string | null;
  readonly country: string | null;
  readonly platform: string | null;
  /** These two come with the request. */
  readonly site_id: string | null;
  readonly creative_id: string | null;
}

export type DeviceClass = 'ios' | 'android' | 'desktop';

const desktops: ReadonlySet<string> = new Set(['windows', 'macos', 'linux', 'chromeos']);

/** Of a platform as the user agent tells it; null where it is none of the three. */
export function deviceClassOf(platform: string | null): DeviceClass | null {
  if (platform === 'ios' || platform === 'android') return platform;
  return platform !== null && desktops.has(platform) ? 'desktop' : null;
}

/** The first target that fits, else the link's own. A target that asks for a platform or country fits no unknown one. */
export function chooseTarget(
  { targetUrl, targets = [] }: Pick<DirectoryLink, 'targetUrl' | 'targets'>,
  device: DeviceClass | null,
  country: string | null,
): string {
  const fits = (target: LinkTarget) =>
    (target.platform === null || target.platform === device) &&
    (target.country === null || target.country.toUpperCase() === country);
  return targets.find(fits)?.url ?? targetUrl;
}

const macro = /\{([a-z_]+)\}/g;
/** Targets that would run in the page that sends the person on. */
const unsafe = /^\s*(javascript|data|vbscript|file|blob|about):/i;

/** Whether a target may be sent to at all. */
export function isSafeTarget(targetUrl: string): boolean {
  return !unsafe.test(targetUrl);
}

/**
 * Fills a target's macros and sees that it carries the click id: by `{click_id}`, else in the install referrer of a Play Store
 * target, else as a query parameter. Known macros without a value are emptied, unknown ones are left as they are: they may be
 * the next system's. The result is ASCII, as a header must be. Values are encoded for where they stand, and those that come
 * with the request can't change the host: where one would, both are emptied.
 */
export function fillTarget(targetUrl: string, values: MacroValues): string {
  const trusted = targetOf(
    filled(targetUrl, { ...values, site_id: null, creative_id: null }),
    targetUrl,
    values.click_id,
  );
  const target = targetOf(filled(targetUrl, values), targetUrl, values.click_id);
  const origin = originOf(trusted);
  return origin !== null && originOf(target) === origin ? target : trusted;
}

function originOf(url: string): string | null {
  const parsed = URL.parse(url);
  return parsed === null ? null : `${parsed.protocol}//${parsed.username}:${parsed.password}@${parsed.host}`;
}

function filled(targetUrl: string, values: MacroValues): string {
  return targetUrl.replace(macro, (whole, name: string, offset: number) => {
    if (!Object.hasOwn(values, name)) return whole;
    const value = encodeURIComponent((values[name as keyof MacroValues] ?? '').toWellFormed());
    // The referrer is a query string within a query: encoded once, a value could add parameters to it, a click id say.
    return /[?&]referrer=[^&#]*$/.test(targetUrl.slice(0, offset)) ? encodeURIComponent(value) : value;
  });
}

function targetOf(filledUrl: string, targetUrl: string, clickId: string): string {
  const target = URL.parse(filledUrl);
  if (target === null) return encodeURI(filledUrl.toWellFormed());
  if (targetUrl.includes('{click_id}')) return target.href;
  if (target.hostname === 'play.google.com' || target.protocol === 'market:') {
    const before = target.searchParams.get('referrer');
    target.searchParams.set('referrer', `${before ? `${before}&` : ''}click_id=${clickId}`);
  } else target.searchParams.set('click_id', clickId);
  return target.href;
}
