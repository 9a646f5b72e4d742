import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CodedError } from '@tributary/schema';
import type { Authenticator } from '../pipeline/auth.ts';
import { contentSecurityPolicy } from '../static-site/content-security-policy.ts';
import { baseHeaders, sendError, sendText } from '../transport/respond.ts';
import { exampleOperations } from './examples.ts';

export interface ExplorerDeps {
  readonly authenticator: Pick<Authenticator, 'fromHeaders'>;
}

type Route = (request: IncomingMessage, response: ServerResponse, requestId: string) => void;

/**
 * A page to try operations on, at `/graphiql`: editor, variables, answer, live subscriptions and the schema's documentation. All
 * its parts come from here. Who is not signed in gets a sign-in form and nothing of the graph; signing in here opens a session
 * that may run operations typed by hand, which the console's own may not once its documents are known.
 */
export function explorerRoutes(deps: ExplorerDeps): [path: string, route: Route][] {
  const [html, script, style] = ['page.html', 'page.js', 'page.css'].map(readAsset) as [string, string, string];
  const policy = contentSecurityPolicy(html);
  const asset = (text: string, type: string): Route => {
    return (request, response, requestId) => {
      if (!mayRead(request)) return sendError(response, new CodedError('METHOD_NOT_ALLOWED'), requestId);
      sendText(response, 200, text, {
        ...baseHeaders,
        'content-type': `${type}; charset=utf-8`,
        'cache-control': 'no-cache',
      });
    };
  };
  return [
    [
      '/graphiql',
      (request, response, requestId) => {
        if (!mayRead(request)) return sendError(response, new CodedError('METHOD_NOT_ALLOWED'), requestId);
        sendText(response, 200, html, {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': policy,
        });
      },
    ],
    ['/graphiql/page.js', asset(script, 'text/javascript')],
    ['/graphiql/page.css', asset(style, 'text/css')],
    [
      '/graphiql/examples',
      (request, response, requestId) => {
        try {
          deps.authenticator.fromHeaders(request.headers);
        } catch (error) {
          return sendError(response, error instanceof CodedError ? error : new CodedError('INTERNAL'), requestId);
        }
        sendText(response, 200, JSON.stringify(exampleOperations), {
          'content-type': 'application/json; charset=utf-8',
        });
      },
    ],
  ];
}

function mayRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function readAsset(name: string): string {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
}
