import { createHash } from 'node:crypto';

/**
 * The policy of one HTML page. A static export carries inline scripts (the page's data), so each is allowed by its hash and no
 * other can run. Styles may be inline: component libraries set them at run time, and a static export has no nonce to give.
 */
export function contentSecurityPolicy(html: string): string {
  const hashes = inlineScripts(html).map(
    (script) => `'sha256-${createHash('sha256').update(script, 'utf8').digest('base64')}'`,
  );
  return [
    "default-src 'self'",
    ['script-src', "'self'", ...new Set(hashes)].join(' '),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Texts of script elements without `src`, exactly as between the tags: that is what browsers hash. */
export function inlineScripts(html: string): string[] {
  const scripts: string[] = [];
  for (const match of html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script\s*>/gi)) {
    const [, attributes = '', text = ''] = match;
    if (!/(^|\s)src\s*=/i.test(attributes) && text !== '') scripts.push(text);
  }
  return scripts;
}
