import { type ErrorCode, errorCatalogue, eventSchema, limits } from '@tributary/schema';
import { z } from 'zod';
import { formedFields, textFields } from './client-fields.ts';

type Schema = Readonly<Record<string, unknown>>;

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Schema): Schema => ({ 'application/json': { schema } });
const errorAnswers: Readonly<Record<string, readonly ErrorCode[]>> = {
  400: ['BODY_UNPARSABLE', 'BODY_EMPTY'],
  401: ['UNAUTHENTICATED'],
  403: ['FORBIDDEN', 'REQUEST_BLOCKED'],
  404: ['SOURCE_DISABLED'],
  408: ['BODY_TIMEOUT'],
  413: ['PAYLOAD_TOO_LARGE', 'TOO_MANY_EVENTS'],
  415: ['UNSUPPORTED_ENCODING'],
  429: ['RATE_LIMITED', 'QUOTA_EXCEEDED'],
  503: ['LOG_UNAVAILABLE'],
};

/**
 * The native API and the tracking links as an OpenAPI 3.1 document. The event is derived from `eventSchema`: what its fields
 * may hold is said once. The vendors' formats are not in it, since their SDKs are what speaks them.
 */
export function openapiDocument(): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tributary collector',
      version: '1.0.0',
      description:
        'Takes events and stores them durably. A 200 comes only after the event log has everything that the request brought. The formats of the vendors’ SDKs, which are taken too, are in docs/formats.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { basic: [] }],
    paths: { ...eventPaths(), ...linkPaths(), ...healthPaths() },
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A write key (in apps) or a secret key (on servers).' },
        basic: { type: 'http', scheme: 'basic', description: 'The key as name, no password.' },
      },
      schemas: schemas(),
    },
  };
}

function schemas(): Schema {
  return {
    Event: eventOf(),
    Batch: {
      type: 'object',
      required: ['batch'],
      properties: {
        batch: { type: 'array', minItems: 1, maxItems: limits.batchEvents, items: ref('Event') },
        sent_at: { ...timeSchema, description: 'When the request left, by the client’s clock; puts the clock right.' },
        write_key: { type: 'string', description: 'For senders that can set no header.' },
      },
    },
    Answer: {
      type: 'object',
      required: ['accepted', 'event_ids', 'rejected'],
      properties: {
        success: { type: 'boolean', description: 'Of a request with one event.' },
        accepted: { type: 'integer', minimum: 0 },
        event_ids: { type: 'array', items: { type: 'string' }, description: 'Those that the collector made too.' },
        rejected: { type: 'array', items: ref('RejectedEvent') },
      },
      additionalProperties: false,
    },
    RejectedEvent: {
      type: 'object',
      description: 'One bad event never fails its batch: it is a dead letter, where it can be mended and replayed.',
      required: ['index', 'id', 'code', 'field', 'message'],
      properties: {
        index: { type: 'integer', minimum: 0 },
        id: { type: ['string', 'null'] },
        code: ref('ErrorCode'),
        field: { type: 'string', description: 'Empty where no single field is at fault.' },
        message: { type: 'string' },
      },
      additionalProperties: false,
    },
    Error: {
      type: 'object',
      required: ['error'],
      properties: {
        error: {
          type: 'object',
          required: ['code', 'message', 'requestId', 'retryable'],
          properties: {
            code: ref('ErrorCode'),
            message: { type: 'string' },
            requestId: { type: 'string' },
            retryable: { type: 'boolean' },
            details: { type: 'object' },
          },
          additionalProperties: false,
        },
      },
      additionalProperties: false,
    },
    ErrorCode: { type: 'string', enum: Object.keys(errorCatalogue) },
    DeepLink: {
      type: 'object',
      required: ['deep_link_path', 'click_id', 'link_id', 'clicked_at'],
      properties: {
        deep_link_path: { type: ['string', 'null'] },
        click_id: { type: ['string', 'null'] },
        link_id: { type: ['string', 'null'] },
        clicked_at: { type: ['integer', 'null'], description: 'Epoch milliseconds.' },
      },
      additionalProperties: false,
    },
  };
}

const timeSchema: Schema = {
  type: ['string', 'number', 'null'],
  description: 'ISO 8601, or epoch milliseconds or seconds. A text without zone is UTC.',
};

/** What the API takes in another form than it is stored in. */
const looser: Readonly<Record<string, Schema>> = {
  occurred_at: timeSchema,
  sent_at: timeSchema,
  install_begin_at: timeSchema,
  revenue_amount: {
    type: ['string', 'number', 'null'],
    description: 'A decimal of up to 18 digits and 6 decimals, best as a text: "4.99".',
  },
  revenue_currency: {
    type: ['string', 'null'],
    pattern: '^([A-Za-z]{3})?$',
    description: 'ISO 4217; absent: the app’s.',
  },
  country: { type: ['string', 'null'], pattern: '^([A-Za-z]{2})?$', description: 'ISO 3166-1.' },
  ip: { type: ['string', 'null'], description: 'Believed of secret keys only; else the address of the request.' },
  properties: {
    type: ['object', 'null'],
    description: `Up to 1,000,000 characters, nested up to ${limits.jsonDepth} deep.`,
  },
};

/** Of each field that a client may send: as stored, and absent as null or empty; whole numbers are taken as texts. */
function eventOf(): Schema {
  const stored = z.toJSONSchema(eventSchema, { io: 'input' }).properties as Readonly<Record<string, Schema>>;
  const names = [...formedFields, ...Object.keys(textFields)];
  const fields = names.map((name): [string, Schema] => [
    name,
    looser[name] ?? fieldOf(stored[name]!, name in textFields),
  ]);
  return {
    type: 'object',
    description:
      'A field of any other name goes to `properties`. Null and the empty text mean absent. One of anonymous_id, user_id or a device id is required.',
    required: ['event_name'],
    anyOf: ['anonymous_id', 'user_id', 'idfv', 'gaid', 'idfa', 'android_id'].map((name) => ({ required: [name] })),
    properties: { ...Object.fromEntries(fields), event_name: stored['event_name'] },
    additionalProperties: true,
  };
}

function fieldOf({ enum: values, maxLength, default: _, ...rest }: Schema, takesNumbers: boolean): Schema {
  if (Array.isArray(values)) return { type: ['string', 'null'], enum: [...(values as unknown[]), null, ''] };
  const { pattern } = rest;
  return {
    type: takesNumbers ? ['string', 'integer', 'null'] : ['string', 'null'],
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(pattern === undefined ? {} : { pattern }),
  };
}

function answersWith(success: Schema, statuses: readonly string[] = Object.keys(errorAnswers)): Schema {
  const errors = statuses.map((status): [string, Schema] => [status, errorAnswer(status)]);
  return { ...success, ...Object.fromEntries(errors) };
}

function errorAnswer(status: string): Schema {
  const codes = errorAnswers[status] ?? [];
  const isRetryable = codes.some((code) => errorCatalogue[code].retryable);
  return {
    description: codes.map((code) => `${code}: ${errorCatalogue[code].text}`).join(' '),
    ...(isRetryable ? { headers: { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds.' } } } : {}),
    content: json(ref('Error')),
  };
}

function eventPaths(): Schema {
  return {
    '/v1/events': {
      post: {
        operationId: 'sendEvents',
        summary: 'Send one event, a batch, an array or NDJSON',
        description: `Compressed by gzip, br, zstd or deflate, or not. Up to ${limits.batchBytes} bytes unpacked and ${limits.batchEvents} events, each up to ${limits.eventBytes} bytes. An event that is sent again under the same event_id counts once for at least 7 days.`,
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { anyOf: [ref('Batch'), ref('Event'), { type: 'array', minItems: 1, items: ref('Event') }] },
            },
            'application/x-ndjson': { schema: { type: 'string', description: 'One event a line.' } },
            'text/plain': { schema: { type: 'string', description: 'Any of these, from sendBeacon.' } },
          },
        },
        responses: answersWith({ 200: { description: 'Stored durably.', content: json(ref('Answer')) } }),
      },
    },
  };
}

const slug: Schema = {
  name: 'link',
  in: 'path',
  required: true,
  description: 'The slug of a tracking link.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
};
const linkErrors: Schema = {
  404: { description: `LINK_UNKNOWN: ${errorCatalogue.LINK_UNKNOWN.text}`, content: json(ref('Error')) },
  410: { description: `LINK_EXPIRED: ${errorCatalogue.LINK_EXPIRED.text}`, content: json(ref('Error')) },
};

function linkPaths(): Schema {
  const touch = (operationId: string, summary: string, success: Schema): Schema => ({
    get: {
      operationId,
      summary,
      description:
        'Query parameters that name a device, a site, a creative, an ad group or a keyword are noted; others are kept.',
      security: [],
      parameters: [slug],
      responses: { ...answersWith(success, ['403', '503']), ...linkErrors },
    },
  });
  return {
    '/c/{link}': touch('click', 'A click: stored, then sent on to the link’s target', {
      302: {
        description: 'To the target that the link’s owner set.',
        headers: {
          Location: { required: true, schema: { type: 'string' } },
          'X-Click-Id': { required: true, schema: { type: 'string' } },
        },
      },
    }),
    '/i/{link}': touch('impression', 'An impression: stored, then a pixel', {
      200: { description: 'A transparent pixel.', content: { 'image/gif': {} } },
    }),
    '/c/{link}/qr.svg': touch('qrCode', 'The link as a QR code', {
      200: { description: 'The code.', content: { 'image/svg+xml': {} } },
    }),
    '/v1/deferred-deep-link': {
      get: {
        operationId: 'findDeferredDeepLink',
        summary: 'What an app that was just installed shall open',
        parameters: ['click_id', 'gaid', 'idfa', 'idfv', 'android_id', 'write_key'].map((name) => ({
          name,
          in: 'query',
          schema: { type: 'string' },
        })),
        responses: answersWith(
          { 200: { description: 'Nulls where nothing is known.', content: json(ref('DeepLink')) } },
          ['401', '403', '404'],
        ),
      },
    },
    '/.well-known/apple-app-site-association': appFile('appleAppSiteAssociation', { type: 'object' }),
    '/.well-known/assetlinks.json': appFile('assetLinks', { type: 'array' }),
  };
}

function appFile(operationId: string, schema: Schema): Schema {
  return {
    get: {
      operationId,
      summary: 'Lets apps open tracking links',
      security: [],
      responses: { 200: { description: 'For the phones’ systems.', content: json(schema) } },
    },
  };
}

function healthPaths(): Schema {
  return {
    '/sink-health': {
      get: {
        operationId: 'sinkHealth',
        summary: 'Whether the event log takes events',
        security: [],
        responses: answersWith(
          {
            200: {
              description: 'It does.',
              content: json({ type: 'object', required: ['status'], properties: { status: { const: 'ok' } } }),
            },
          },
          ['503'],
        ),
      },
    },
  };
}
