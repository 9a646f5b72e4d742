import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const keyOf = (secret: string) => Buffer.from(hkdfSync('sha256', secret, 'tributary', 'sealed text', 32));

/** Encrypts a small text with the installation's secret (AES-256-GCM), so that a copy of the store doesn't show it. */
export function sealText(text: string, secret: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret), nonce);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url');
}

/** The text again; null when it was sealed with another secret or changed. */
export function unsealText(sealed: string, secret: string): string | null {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < 28) return null;
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/**
 * The secret that an alert's webhooks are signed with. Derived from the installation's, so that none is stored; another
 * `version` is another secret.
 */
export function webhookSecretOf(alert: { tenantId: string; alertId: string; version: number }, secret: string): string {
  const text = `webhook:${alert.tenantId}:${alert.alertId}:${alert.version}`;
  return `whsec_${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** Header `tributary-signature` of a webhook: `t=<epoch seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
export function signWebhook(body: string, webhookSecret: string, atMs: number): string {
  const t = Math.floor(atMs / 1_000);
  return `t=${t},v1=${createHmac('sha256', webhookSecret).update(`${t}.${body}`).digest('hex')}`;
}
