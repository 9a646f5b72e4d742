import type { IncomingMessage } from 'node:http';
import { createLru } from '@tributary/platform/lru';
import { CodedError } from '@tributary/schema';
import type { OperationParams } from '../operations.ts';
import { isJson, readJson } from './respond.ts';

/**
 * The parameters of a request after GraphQL over HTTP, from the URL of a GET or the JSON body of a POST. Throws BODY_UNPARSABLE,
 * METHOD_NOT_ALLOWED and what reading a body throws.
 */
export async function readParams(request: IncomingMessage): Promise<OperationParams> {
  if (request.method === 'GET') return paramsOfUrl(request.url ?? '/');
  if (request.method !== 'POST') throw new CodedError('METHOD_NOT_ALLOWED');
  if (!isJson(request)) throw new CodedError('BODY_UNPARSABLE', { message: 'Send Content-Type: application/json.' });
  return parseParams(await readJson(request));
}

const longestKeptUrl = 4_096;
const urlsKept = 1_000;
/** Characters of all of them: what is found out for a URL holds its operation, which takes 125 bytes a character. */
const urlsLength = 524_288;

/**
 * Reads the parameters of GETs. The same URL gives the same object, so that what is found out for it can be kept beside it: that
 * is how a persisted GET gets its answer without parsing anything. Never change one.
 */
export function createUrlReader(): (url: string) => OperationParams {
  const known = createLru<string, OperationParams>(urlsKept, { of: (url) => url.length, most: urlsLength });
  return (url) => {
    const kept = known.get(url);
    if (kept) return kept;
    const params = paramsOfUrl(url);
    if (url.length <= longestKeptUrl) known.set(url, params);
    return params;
  };
}

function paramsOfUrl(url: string): OperationParams {
  return parseParams(fromUrl(url));
}

function fromUrl(url: string): Record<string, unknown> {
  const at = url.indexOf('?');
  const params: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(at < 0 ? '' : url.slice(at))) {
    if (Object.hasOwn(params, name)) throw unfit(`${name} is given twice.`);
    params[name] = value;
  }
  for (const name of ['variables', 'extensions']) {
    const text = params[name];
    if (typeof text === 'string') params[name] = text === '' ? null : parseJson(name, text);
  }
  return params;
}

function parseParams(given: unknown): OperationParams {
  if (Array.isArray(given)) throw unfit('One operation a request: batches are not taken.');
  if (given === null || typeof given !== 'object') throw unfit('The body must be a JSON object.');
  const { query, documentId, operationName, variables, extensions } = given as Record<string, unknown>;
  for (const [name, value] of Object.entries({ query, documentId, operationName })) {
    if (value !== undefined && value !== null && typeof value !== 'string') throw unfit(`${name} must be a text.`);
  }
  for (const [name, value] of Object.entries({ variables, extensions })) {
    if (value !== undefined && value !== null && (typeof value !== 'object' || Array.isArray(value))) {
      throw unfit(`${name} must be an object.`);
    }
  }
  return { query, documentId, operationName, variables, extensions } as OperationParams;
}

/** The same checks for what a WebSocket client sends as the payload of `subscribe`. */
export const parseOperationParams: (payload: unknown) => OperationParams = parseParams;

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CodedError('BODY_UNPARSABLE', { message: `${name} is not JSON.`, cause: error });
  }
}

function unfit(message: string): CodedError {
  return new CodedError('BODY_UNPARSABLE', { message });
}

const simpleTypes = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

/**
 * A browser sends such a request across sites without asking first (no preflight): refused, since it could be a form or a link.
 * Any of the named headers, or a content type that no form has, makes a browser ask.
 */
export function couldBeForged(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers['apollo-require-preflight'] || headers['x-apollo-operation-name']) return false;
  const type = headers['content-type'];
  if (type === undefined) return true;
  return simpleTypes.includes(type.split(';')[0]?.trim().toLowerCase() ?? '');
}
