import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { scopes } from './directory.ts';

/**
 * Who is asking, as the gateway found it. It travels to the subgraphs signed, in each operation's
 * `extensions.caller`, over HTTP, WebSocket and in-process calls alike: one form, checked in one place.
 */
export const callerSchema = z.object({
  tenantId: z.string().min(1),
  /** null = every app of the tenant */
  appIds: z.array(z.string()).nullable(),
  scopes: z.array(z.enum(scopes)),
  keyId: z.string(),
  /** Set: a partner's key; only what concerns this partner may be shown, personal fields never. Absent or null = not a partner. */
  partnerId: z.string().nullable().optional(),
  /** Bounds the queries; see `ratePlans`. Absent = standard. */
  ratePlan: z.string().optional(),
  requestId: z.string(),
  /** Epoch ms after which the signature is void. */
  expiresAt: z.number(),
});
export type Caller = z.output<typeof callerSchema>;

/** `base64url(json).base64url(hmac-sha256)`. */
export function signCaller(caller: Caller, secret: string): string {
  const payload = Buffer.from(JSON.stringify(caller)).toString('base64url');
  return `${payload}.${createHmac('sha256', secret).update(payload).digest('base64url')}`;
}

/** The caller of a signed token; `null` when the form, signature or expiry is wrong. */
export function parseCaller(token: unknown, secret: string, nowMs: number): Caller | null {
  if (typeof token !== 'string') return null;
  const dot = token.indexOf('.');
  if (dot < 0) return null;
  const payload = token.slice(0, dot);
  const given = Buffer.from(token.slice(dot + 1), 'base64url');
  const wanted = createHmac('sha256', secret).update(payload).digest();
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
  try {
    const parsed = callerSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
    return parsed.success && parsed.data.expiresAt > nowMs ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Whether the caller may read this app. Tenant is checked apart, always. */
export function mayReadApp(caller: Caller, appId: string): boolean {
  return caller.appIds === null || caller.appIds.includes(appId);
}
