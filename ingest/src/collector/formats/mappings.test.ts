import { readFileSync } from 'node:fs';
import type { CanonicalEvent } from '@tributary/schema';
import { aRequest, collect, secretKey } from '../collector.testing.ts';
import type { CollectorRequest } from '../request.ts';
import type { Json } from './fields.ts';

/** A row of a document's mapping: what is sent where, and the field that it becomes. */
interface Row {
  readonly path: string;
  readonly field: string;
  readonly given: unknown;
  readonly expected: unknown;
}

/** Rows of the tables headed `Sent | Field | Example`; an example is `in`, or `in → out`. */
function rowsOf(vendor: string): Row[] {
  const text = readFileSync(new URL(`../../../../docs/formats/${vendor}.md`, import.meta.url), 'utf8');
  const table = text.split('| Sent | Field | Example |\n|---|---|---|\n')[1]!.split('\n\n')[0]!;
  return table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => {
      const [path = '', field = '', example = ''] = line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim());
      const [given = '', expected = given] = example.split(' → ');
      return { path: plain(path), field: plain(field), given: valueIn(given), expected: valueIn(expected) };
    });
}

const plain = (cell: string): string => cell.replaceAll('`', '');
const valueIn = (cell: string): unknown => JSON.parse(plain(cell));

/** The event with a value at a path; the last part of a path may hold dots of its own where it is in brackets. */
function withAt(event: Json, path: string, value: unknown): Json {
  const dot = path.indexOf('.');
  if (dot < 0 || path.startsWith('[')) return { ...event, [path]: value };
  const name = path.slice(0, dot);
  return { ...event, [name]: withAt((event[name] as Json | undefined) ?? {}, path.slice(dot + 1), value) };
}

type Sending = (event: Json) => Partial<CollectorRequest> & { readonly body?: Uint8Array };
const json = (body: unknown): { readonly body: Uint8Array } => ({ body: Buffer.from(JSON.stringify(body)) });

/** The least that each vendor's event must have, and how it is sent. */
const vendors: Readonly<Record<string, { readonly event: Json; readonly send: Sending }>> = {
  posthog: {
    event: { event: 'e', distinct_id: 'u' },
    send: (event) => ({ path: '/batch/', ...json({ batch: [event] }) }),
  },
  amplitude: {
    event: { event_type: 'e', user_id: 'u' },
    send: (event) => ({ path: '/2/httpapi', ...json({ events: [event] }) }),
  },
  mixpanel: {
    event: { event: 'e', properties: { distinct_id: 'u' } },
    send: (event) => ({ path: '/track', ...json([event]) }),
  },
  snowplow: {
    event: { e: 'pv', uid: 'u' },
    send: (event) => ({ path: '/com.snowplowanalytics.snowplow/tp2', ...json({ data: [event] }) }),
  },
  openpanel: {
    event: { type: 'track', payload: { name: 'e', profileId: 'u' } },
    send: (event) => ({
      path: '/track',
      header: (name) => (name === 'openpanel-client-id' ? secretKey : undefined),
      ...json(event),
    }),
  },
  appsflyer: {
    event: { appsflyer_id: 'a-0', eventName: 'e' },
    send: (event) => ({
      path: '/inappevent/id1',
      ...json(event['event_name'] ? { ...event, eventName: undefined } : event),
    }),
  },
  adjust: {
    event: { event_token: 'e', idfa: 'f-0' },
    send: (event) => ({
      path: '/event',
      query: 's2s=1',
      body: Buffer.from(String(new URLSearchParams(event as Record<string, string>))),
    }),
  },
};

function stored(vendor: string, { path, given }: Row): CanonicalEvent {
  const { event, send } = vendors[vendor]!;
  const request = { ...aRequest(''), authorization: `Bearer ${secretKey}`, ...send(withAt(event, path, given)) };
  const { events, answer } = collect(request);
  if (!events[0]) throw new Error(JSON.stringify(answer));
  return events[0];
}

describe.each(Object.keys(vendors))('docs/formats/%s.md', (vendor) => {
  it.each(rowsOf(vendor).map((row) => [row.path, row.field, row] as const))(
    'says what %s becomes: %s',
    (_, field, row) => {
      const event = stored(vendor, row);
      const found = field.startsWith('properties.')
        ? (JSON.parse(event.properties) as Json)[field.slice('properties.'.length)]
        : event[field as keyof CanonicalEvent];
      expect(found).toEqual(row.expected);
      expect(event.source_format).toBe(vendor);
    },
  );
});
