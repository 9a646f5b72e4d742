/** What an install referrer says. Absent parts are null. */
export interface InstallReferrer {
  readonly clickId: string | null;
  readonly utmSource: string | null;
  readonly utmMedium: string | null;
  readonly utmCampaign: string | null;
  readonly utmContent: string | null;
  readonly utmTerm: string | null;
}

/**
 * Parses the text that the store hands to a new app: a query string (`click_id=…&utm_source=…`), which some stores and
 * SDKs pass on percent-encoded as a whole. Unreadable text gives nulls; the first of repeated names counts.
 *
 * The same rule exists as SQL where installs are looked up by click id (workers/attribution): change both together.
 *
 * @example parseReferrer('click_id=clk_1&utm_source=acme').clickId // 'clk_1'
 */
export function parseReferrer(text: string): InstallReferrer {
  const query = new URLSearchParams(decodedOnce(text));
  const value = (name: string) => query.get(name) || null;
  return {
    clickId: value('click_id'),
    utmSource: value('utm_source'),
    utmMedium: value('utm_medium'),
    utmCampaign: value('utm_campaign'),
    utmContent: value('utm_content'),
    utmTerm: value('utm_term'),
  };
}

function decodedOnce(text: string): string {
  if (text.includes('=')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
