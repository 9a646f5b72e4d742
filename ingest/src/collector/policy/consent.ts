/** Consent texts that deny as a whole, letters and digits only: what consent tools and Apple's tracking prompt report. */
const denials: ReadonlySet<string> = new Set([
  'denied',
  'declined',
  'refused',
  'rejected',
  'restricted',
  'withdrawn',
  'revoked',
  'optout',
  'optedout',
  'none',
  'no',
  'false',
  '0',
]);

/**
 * Whether a consent text denies. One of the words above does, in any case and spelling (`opt-out`, `OPTED_OUT`), and so does
 * any text that holds the word `denied`, such as `ad_storage=denied`: where consent is partial the event is treated as
 * denied. Absent is not denied.
 */
export function deniesConsent(consent: unknown): boolean {
  if (typeof consent !== 'string') return false;
  const text = consent.toLowerCase();
  return denials.has(text.replace(/[^a-z0-9]/g, '')) || /\bdenied\b/.test(text.replaceAll('_', ' '));
}
