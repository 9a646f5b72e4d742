/** A request as any server binding gives it. */
export interface CollectorRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: string;
  readonly authorization: string | undefined;
  /** Any other header, by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly userAgent: string | null;
  /** Decompressed; empty for GET. */
  readonly body: Uint8Array;
  readonly remoteAddress: string | null;
  /** Epoch ms. */
  readonly receivedAt: number;
  readonly requestId: string;
}

export interface CollectorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Sent in place of `body`, which is empty then: an image. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
}
