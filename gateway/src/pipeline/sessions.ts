import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@tributary/platform/clock';
import { z } from 'zod';

const sessionSchema = z.object({
  sessionId: z.string(),
  keyId: z.string(),
  expiresAt: z.number(),
  /** Opened for the explorer (GraphiQL), whose operations are typed by hand. */
  explorer: z.boolean().optional(),
});

/** What a session cookie says: which key was shown, and until when (epoch ms). It holds no right of its own. */
export type Session = z.output<typeof sessionSchema>;

/**
 * Console sessions as signed tokens: nothing is stored, so any gateway with the same secret accepts them. The key behind a
 * session is looked up anew on every use, so a revoked key ends its sessions everywhere. `revoke` (sign-out) is kept in this
 * process only, until the session would have expired.
 */
export interface Sessions {
  issue(keyId: string, explorer?: boolean): { readonly token: string; readonly session: Session };
  /** Null when forged, expired or revoked. */
  verify(token: string): Session | null;
  /** Whether a verified session is still neither expired nor revoked. */
  isLive(session: Session): boolean;
  revoke(session: Session): void;
}

export function createSessions(deps: {
  readonly secret: string;
  readonly clock: Clock;
  readonly ttlMs: number;
}): Sessions {
  // A key of its own: a session token must never pass for a signed caller, which uses the secret itself.
  const key = createHmac('sha256', deps.secret).update('tributary console session v1').digest();
  const revoked = new Map<string, number>();
  const isLive = (session: Session) => session.expiresAt > deps.clock.now() && !revoked.has(session.sessionId);
  const sign = (payload: string) => createHmac('sha256', key).update(payload).digest();

  return {
    issue(keyId, explorer = false) {
      const session: Session = {
        sessionId: randomBytes(16).toString('base64url'),
        keyId,
        expiresAt: deps.clock.now() + deps.ttlMs,
        ...(explorer ? { explorer } : {}),
      };
      const payload = Buffer.from(JSON.stringify(session)).toString('base64url');
      return { token: `${payload}.${sign(payload).toString('base64url')}`, session };
    },
    verify(token) {
      const [payload, signature, ...rest] = token.split('.');
      if (!payload || !signature || rest.length > 0) return null;
      const given = Buffer.from(signature, 'base64url');
      const wanted = sign(payload);
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
      // Signed by us, so it is JSON; its form may be that of another version.
      const parsed = sessionSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
      return parsed.success && isLive(parsed.data) ? parsed.data : null;
    },
    isLive,
    revoke(session) {
      const now = deps.clock.now();
      for (const [sessionId, expiresAt] of revoked) if (expiresAt <= now) revoked.delete(sessionId);
      revoked.set(session.sessionId, session.expiresAt);
    },
  };
}
