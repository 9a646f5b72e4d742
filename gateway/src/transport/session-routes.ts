import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { CodedError, toCodedError } from '@tributary/schema';
import { z } from 'zod';
import type { LiveConnections } from '../live-connections.ts';
import type { Authenticator, Principal } from '../pipeline/auth.ts';
import type { Sessions } from '../pipeline/sessions.ts';
import { isJson, readJson, sendError, sendJson, sendText } from './respond.ts';

export interface SessionRoutesDeps {
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly connections: Pick<LiveConnections, 'recheck'>;
  readonly sameOrigin: (headers: IncomingHttpHeaders) => boolean;
  readonly cookieName: string;
  /** Sends the cookie over https only. */
  readonly secure: boolean;
  readonly ttlMs: number;
}

const signInSchema = z.object({ apiKey: z.string().min(1).max(500), explorer: z.boolean().default(false) });
const maxBodyBytes = 4_096;

/**
 * `/session`: POST `{apiKey}` signs the console in (cookie, HttpOnly, SameSite=Strict), GET says who is signed in, DELETE signs out
 * and ends the session's live connections. The key itself is not kept.
 */
export function createSessionRoutes(deps: SessionRoutesDeps) {
  const cookie = (value: string, maxAgeSeconds: number) =>
    `${deps.cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${deps.secure ? '; Secure' : ''}`;

  async function signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isJson(request)) throw new CodedError('BODY_UNPARSABLE', { message: 'Send Content-Type: application/json.' });
    const parsed = signInSchema.safeParse(await readJson(request, maxBodyBytes));
    if (!parsed.success) throw new CodedError('BODY_UNPARSABLE', { message: 'The body must be {"apiKey": "…"}.' });
    const shown = deps.authenticator.fromKey(parsed.data.apiKey.trim());
    const { token, session } = deps.sessions.issue(shown.keyId, parsed.data.explorer);
    const headers = { 'set-cookie': cookie(token, Math.floor(deps.ttlMs / 1000)) };
    sendJson(response, 200, whoIs({ ...shown, session }), headers);
  }

  function signOut(request: IncomingMessage, response: ServerResponse): void {
    const session = deps.authenticator.sessionOf(request.headers);
    if (session) {
      deps.sessions.revoke(session);
      deps.connections.recheck('expired');
    }
    sendText(response, 204, '', { 'set-cookie': cookie('', 0) });
  }

  return async (request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> => {
    try {
      if (request.method === 'GET')
        return sendJson(response, 200, whoIs(deps.authenticator.fromHeaders(request.headers)));
      if (request.method !== 'POST' && request.method !== 'DELETE') throw new CodedError('METHOD_NOT_ALLOWED');
      // Signing somebody in or out from another site is an attack too.
      if (!deps.sameOrigin(request.headers)) throw new CodedError('FORBIDDEN', { message: 'Not from another site.' });
      if (request.method === 'POST') await signIn(request, response);
      else signOut(request, response);
    } catch (error) {
      sendError(response, toCodedError(error), requestId);
    }
  };
}

function whoIs(principal: Principal) {
  return {
    tenantId: principal.tenantId,
    keyId: principal.keyId,
    scopes: principal.scopes,
    appIds: principal.appIds,
    expiresAt: principal.session?.expiresAt ?? null,
  };
}
