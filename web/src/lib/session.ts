/** Sign-in with an API key; the gateway keeps it in a cookie that scripts can't read. */
export interface Session {
  readonly tenantId: string;
  readonly scopes: readonly string[];
}

export interface SignInFailure {
  readonly code: string;
  readonly message: string;
  readonly requestId: string | null;
}

export async function readSession(): Promise<Session | null> {
  const response = await fetch('/session', { credentials: 'same-origin', headers: { accept: 'application/json' } });
  return response.ok ? ((await response.json()) as Session) : null;
}

export async function signIn(apiKey: string): Promise<{ session: Session } | { failure: SignInFailure }> {
  try {
    const response = await fetch('/session', {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ apiKey }),
    });
    const body = (await response.json()) as { error?: SignInFailure } & Session;
    if (response.ok) return { session: body };
    return {
      failure: {
        code: body.error?.code ?? String(response.status),
        message: body.error?.message ?? 'The key was not accepted.',
        requestId: body.error?.requestId ?? null,
      },
    };
  } catch {
    return {
      failure: {
        code: 'NETWORK',
        message: 'The server cannot be reached. Check that it runs, then try again.',
        requestId: null,
      },
    };
  }
}

export async function signOut(): Promise<void> {
  await fetch('/session', { method: 'DELETE', credentials: 'same-origin' });
}
