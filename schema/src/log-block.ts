/**
 * A block: newline-delimited canonical events of one partition, made once by the collector. What the consumer needs
 * without parsing a line travels beside the body in the header.
 */
export interface LogBlock {
  readonly header: LogBlockHeader;
  /** `count` lines of JSON, each ended by `\n`, UTF-8. */
  readonly body: Uint8Array;
  /** Bytes before the body, in its memory, that a store may write over: it spares copying the body behind a head. Absent = none. */
  readonly headRoom?: number;
}

export interface LogBlockHeader {
  /**
   * `events`: lines are canonical events. `dead_letters`: lines are rows of the `dead_letters` table, refused at the
   * collector; they are stored as they are, and hashes and minutes are empty.
   */
  readonly kind: 'events' | 'dead_letters';
  /** UUID v7 made by the collector; recognises a block that was sent twice. */
  readonly blockId: string;
  readonly partition: number;
  /** Number of lines (= events). Their `block_index` runs from 0. */
  readonly count: number;
  /** Byte length of each line, its `\n` included. Sum = body length. */
  readonly lineLengths: readonly number[];
  /** 64-bit xxHash of each event's dedupe key, as 16 hex digits joined without separator (count × 16 characters). */
  readonly dedupeHashes: string;
  /** 64-bit payload hash of each event, same form. */
  readonly payloadHashes: string;
  /** Which minutes (epoch ms, floored to the minute) of `occurred_at` each app's events touch. */
  readonly touched: readonly TouchedMinutes[];
  /** Server time in epoch ms at which the block was closed. */
  readonly receivedAt: number;
}

export interface TouchedMinutes {
  readonly tenantId: string;
  readonly appId: string;
  readonly minutes: readonly number[];
  readonly events: number;
}
