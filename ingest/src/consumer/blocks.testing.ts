import { dedupeKeyOf, hash64, hex64, type LogBlock, type TouchedMinutes, uuidV7 } from '@tributary/schema';

/** What a test says of an event; all else is made up. */
export interface EventSpec {
  readonly eventId: string;
  readonly appId?: string;
  readonly tenantId?: string;
  readonly sourceFormat?: string;
  /** What tells payloads apart. Default: empty. */
  readonly payload?: string;
  readonly occurredAt?: number;
  readonly revenue?: string;
  /** Further or other fields of the line; `undefined` leaves one out. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** The whole line instead (without a newline), for lines that are no events. */
  readonly line?: string;
}

export interface BlockSpec {
  readonly partition?: number;
  readonly receivedAt: number;
  readonly blockId?: string;
  readonly events: readonly EventSpec[];
}

/** A block as the collector makes it. */
export function aBlock({ partition = 0, receivedAt, blockId = uuidV7(receivedAt), events }: BlockSpec): LogBlock {
  const lines = events.map((event, index) =>
    Buffer.from(`${event.line ?? lineOf(event, blockId, index, receivedAt)}\n`),
  );
  return {
    header: {
      kind: 'events',
      blockId,
      partition,
      count: lines.length,
      lineLengths: lines.map((line) => line.length),
      dedupeHashes: events.map((event) => dedupeHashOf(event)).join(''),
      payloadHashes: events.map((event) => payloadHashOf(event)).join(''),
      touched: touchedOf(events, receivedAt),
      receivedAt,
    },
    body: Buffer.concat(lines),
  };
}

/** A block of dead letters, as the collector makes it. */
export function aDeadLetterBlock(rows: readonly object[], receivedAt: number, partition = 0): LogBlock {
  const lines = rows.map((row) => Buffer.from(`${JSON.stringify(row)}\n`));
  return {
    header: {
      kind: 'dead_letters',
      blockId: uuidV7(receivedAt),
      partition,
      count: lines.length,
      lineLengths: lines.map((line) => line.length),
      dedupeHashes: '',
      payloadHashes: '',
      touched: [],
      receivedAt,
    },
    body: Buffer.concat(lines),
  };
}

/** The partition of an event, as the collector has it. */
export function partitionOfEvent(event: EventSpec, partitionCount: number): number {
  return Number(BigInt(`0x${dedupeHashOf(event)}`) % BigInt(partitionCount));
}

export function dedupeHashOf({ appId = 'app_a', sourceFormat = 'native', eventId }: EventSpec): string {
  return hex64(hash64(dedupeKeyOf(appId, sourceFormat, eventId)));
}

export function payloadHashOf({ payload = '' }: EventSpec): string {
  return hex64(hash64(payload));
}

function lineOf(event: EventSpec, blockId: string, index: number, receivedAt: number): string {
  const { appId = 'app_a', tenantId = 'ten_a', sourceFormat = 'native', eventId, occurredAt = receivedAt } = event;
  return JSON.stringify({
    tenant_id: tenantId,
    app_id: appId,
    block_id: blockId,
    block_index: index,
    dedupe_hash: dedupeHashOf(event),
    payload_hash: payloadHashOf(event),
    source_format: sourceFormat,
    received_at: receivedAt,
    device_key: `device-${eventId}`,
    event_id: eventId,
    event_name: 'purchase',
    event_kind: 'purchase',
    occurred_at: occurredAt,
    ...(event.revenue ? { revenue_amount: event.revenue, revenue_currency: 'EUR' } : {}),
    ...event.fields,
  });
}

function touchedOf(events: readonly EventSpec[], receivedAt: number): TouchedMinutes[] {
  const touched = new Map<string, { tenantId: string; appId: string; minutes: Set<number>; events: number }>();
  for (const { appId = 'app_a', tenantId = 'ten_a', occurredAt = receivedAt } of events) {
    const app = touched.get(appId) ?? { tenantId, appId, minutes: new Set<number>(), events: 0 };
    app.minutes.add(Math.floor(occurredAt / 60_000) * 60_000);
    app.events += 1;
    touched.set(appId, app);
  }
  return [...touched.values()].map((app) => ({ ...app, minutes: [...app.minutes] }));
}
