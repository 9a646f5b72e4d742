import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '@tributary/platform/clock';
import type { Directory } from '@tributary/platform/directory';
import { createKeyLookup } from '@tributary/platform/directory/lookup';
import {
  type Caller,
  CodedError,
  costBucketOf,
  type DirectoryKey,
  type DirectorySnapshot,
  type RatePlan,
  ratePlanOf,
  type Scope,
  signCaller,
} from '@tributary/schema';
import { createOriginCheck } from './origins.ts';
import type { Session, Sessions } from './sessions.ts';

/** Who is at the other end, as found from a key or a session. */
export interface Principal {
  readonly keyId: string;
  readonly tenantId: string;
  readonly appIds: readonly string[] | null;
  readonly scopes: readonly Scope[];
  /** Set = a partner's key: it asks the smaller graph. */
  readonly partnerId: string | null;
  /** Runs trusted documents only. */
  readonly trustedOnly: boolean;
  readonly ratePlan: string | undefined;
  readonly plan: RatePlan;
  /** Cost points. */
  readonly bucket: { readonly capacity: number; readonly refillPerSecond: number };
  /** Null = shown by key. */
  readonly session: Session | null;
}

export interface Authenticator {
  /** Of an API key's text. Throws UNAUTHENTICATED, or FORBIDDEN for keys of another kind. */
  fromKey(text: string): Principal;
  /** Bearer key first, then the session cookie. Throws as `fromKey`, and FORBIDDEN for a cookie from another site. */
  fromHeaders(headers: IncomingHttpHeaders): Principal;
  /** As `fromHeaders`, with the parameters of `connection_init` first. */
  fromConnection(params: Readonly<Record<string, unknown>> | undefined, headers: IncomingHttpHeaders): Principal;
  /** The session of the cookie, whether or not its key still holds. */
  sessionOf(headers: IncomingHttpHeaders): Session | null;
  /** Whether an app lets pages of that origin query: an app of the principal, or any where none is known yet (a preflight). */
  mayQueryFrom(origin: string, principal?: Principal): boolean;
  /** Whether the rights are still exactly those. Call after the directory changed and when a session was revoked. */
  stillHolds(principal: Principal): boolean;
}

export interface AuthenticatorDeps {
  readonly directory: Directory;
  readonly sessions: Sessions;
  readonly sameOrigin: (headers: IncomingHttpHeaders) => boolean;
  readonly cookieName: string;
  /** Whether the console's own sessions run trusted documents only; a session of the explorer never does. Default no. */
  readonly sessionsTrustedOnly?: () => boolean;
}

/** Over 50 lines: one closure, whose parts share this state. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const lookUp = createKeyLookup(deps.directory);
  const byIdOf = createKeysById();
  const byId = (keyId: string) => byIdOf(deps.directory.current()).get(keyId);

  /** Of keys that were shown themselves; keys are new objects whenever the directory changes. */
  const shown = new WeakMap<DirectoryKey, Principal>();

  function principalOf(key: DirectoryKey | null | undefined, session: Session | null): Principal {
    const known = key && !session ? shown.get(key) : undefined;
    if (known) return known;
    if (!key?.enabled) throw new CodedError('UNAUTHENTICATED');
    if (key.kind !== 'api') {
      throw new CodedError('FORBIDDEN', { message: 'This is not an API key. Write and secret keys only send events.' });
    }
    const sessionsTrustedOnly = session !== null && !session.explorer && (deps.sessionsTrustedOnly?.() ?? false);
    const principal: Principal = {
      keyId: key.keyId,
      tenantId: key.tenantId,
      appIds: key.appIds,
      scopes: key.scopes,
      partnerId: key.partnerId ?? null,
      trustedOnly: (key.trustedOnly ?? false) || sessionsTrustedOnly,
      ratePlan: key.ratePlan,
      plan: ratePlanOf(key.ratePlan),
      bucket: costBucketOf(key),
      session,
    };
    if (!session) shown.set(key, principal);
    return principal;
  }
  const fromKey = (text: string) => principalOf(lookUp(text), null);
  const mayQueryFrom = createOriginCheck(deps.directory);

  /** Browsers alone send Origin; a page elsewhere may ask only where the owner of an app of the key lets it. */
  function fromBearer(authorization: unknown, headers: IncomingHttpHeaders): Principal {
    const principal = fromKey(bearerOf(authorization));
    const { origin } = headers;
    if (origin === undefined || deps.sameOrigin(headers) || mayQueryFrom(origin, principal)) return principal;
    throw new CodedError('FORBIDDEN', { message: 'No app of this key lets pages of that origin query.' });
  }

  function sessionOf(headers: IncomingHttpHeaders): Session | null {
    const token = readCookie(headers.cookie, deps.cookieName);
    return token === null ? null : deps.sessions.verify(token);
  }
  function fromCookie(headers: IncomingHttpHeaders): Principal {
    const session = sessionOf(headers);
    if (!session) throw new CodedError('UNAUTHENTICATED');
    if (!deps.sameOrigin(headers)) {
      throw new CodedError('FORBIDDEN', { message: 'A session is only valid on the console’s own pages.' });
    }
    return principalOf(byId(session.keyId), session);
  }
  function fromHeaders(headers: IncomingHttpHeaders): Principal {
    return headers.authorization === undefined ? fromCookie(headers) : fromBearer(headers.authorization, headers);
  }

  return {
    fromKey,
    fromHeaders,
    fromConnection(params, headers) {
      const given = params?.['Authorization'] ?? params?.['authorization'];
      return given === undefined ? fromHeaders(headers) : fromBearer(given, headers);
    },
    sessionOf,
    stillHolds(principal) {
      const key = byId(principal.keyId);
      if (!key?.enabled || key.kind !== 'api') return false;
      if (principal.session && !deps.sessions.isLive(principal.session)) return false;
      return holds(principalOf(key, principal.session), principal);
    },
    mayQueryFrom,
  };
}

/** How long a signed caller is believed. Longer than any query may run. */
const callerTtlMs = 60_000;

export interface CallerSigner {
  /** The caller's token for one operation. */
  sign(principal: Principal, requestId: string): string;
  /**
   * For work whose result several keys of equal rights share: it names no key, so that nothing personal to one of them can get
   * into what the others see.
   */
  signShared(principal: Principal, requestId: string): string;
  signCaller(caller: Caller): string;
}

export function createCallerSigner(deps: { readonly secret: string; readonly clock: Clock }): CallerSigner {
  const sign = (principal: Principal, keyId: string, requestId: string) =>
    signCaller(
      {
        tenantId: principal.tenantId,
        appIds: principal.appIds === null ? null : [...principal.appIds],
        scopes: [...principal.scopes],
        keyId,
        partnerId: principal.partnerId,
        ...(principal.ratePlan === undefined ? {} : { ratePlan: principal.ratePlan }),
        requestId,
        expiresAt: deps.clock.now() + callerTtlMs,
      },
      deps.secret,
    );
  return {
    sign: (principal, requestId) => sign(principal, principal.keyId, requestId),
    signShared: (principal, requestId) => sign(principal, 'shared', requestId),
    signCaller: (caller) => signCaller(caller, deps.secret),
  };
}

/** Holders do not change: a changed key is another object. */
const rightsKnown = new WeakMap<object, string>();

/** Tenant, partner, plan, scopes and apps as one text; equal text = equal rights. */
export function rightsOf(holder: Pick<Principal, 'tenantId' | 'scopes' | 'appIds' | 'partnerId' | 'ratePlan'>): string {
  const known = rightsKnown.get(holder);
  if (known !== undefined) return known;
  const rights = JSON.stringify([
    holder.tenantId,
    holder.partnerId,
    holder.ratePlan ?? null,
    [...holder.scopes].sort(),
    holder.appIds === null ? null : [...holder.appIds].sort(),
  ]);
  rightsKnown.set(holder, rights);
  return rights;
}

/** Also the terms: a key that now may run trusted documents only must not go on with others over an open socket. */
function holds(now: Principal, then: Principal): boolean {
  return (
    rightsOf(now) === rightsOf(then) &&
    now.trustedOnly === then.trustedOnly &&
    now.bucket.capacity === then.bucket.capacity &&
    now.bucket.refillPerSecond === then.bucket.refillPerSecond
  );
}

function bearerOf(value: unknown): string {
  const match = typeof value === 'string' ? /^Bearer +(\S+)$/i.exec(value.trim()) : null;
  if (!match?.[1]) throw new CodedError('UNAUTHENTICATED');
  return match[1];
}

/** The value of one cookie; null when absent. */
function readCookie(header: string | undefined, name: string): string | null {
  for (const part of header?.split(';') ?? []) {
    const equals = part.indexOf('=');
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return null;
}

/** Indexes a snapshot once; the directory hands out the same object until it changes. */
function createKeysById(): (snapshot: DirectorySnapshot) => ReadonlyMap<string, DirectoryKey> {
  const indexes = new WeakMap<DirectorySnapshot, ReadonlyMap<string, DirectoryKey>>();
  return (snapshot) => {
    const index = indexes.get(snapshot) ?? new Map(snapshot.keys.map((key) => [key.keyId, key]));
    indexes.set(snapshot, index);
    return index;
  };
}
