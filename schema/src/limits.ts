/** Bounds on what comes from outside; one place. Sizes in bytes of the decompressed body. */
export const limits = {
  eventBytes: 1_048_576,
  segmentEventBytes: 32_768,
  batchEvents: 2_000,
  batchBytes: 10_485_760,
  /** A client time further ahead than this is refused. */
  futureMs: 3_600_000,
  /** Older events need a secret key. */
  writeKeyMaxAgeMs: 30 * 86_400_000,
  /** Even a secret key can't write further back than this. */
  secretKeyMaxAgeMs: 5 * 366 * 86_400_000,
  /** Behind received_at by more than this = flag `late`. */
  lateMs: 24 * 3_600_000,
  bodyTimeoutMs: 15_000,
  headerBytes: 16_384,
  headerCount: 100,
  /** Of one collector worker. */
  connections: 20_000,
  /** Of one peer address that is no trusted proxy: a mobile carrier puts many phones behind one. */
  connectionsPerAddress: 4_000,
  jsonDepth: 32,
  graphqlBodyBytes: 262_144,
  graphqlTokens: 4_000,
  graphqlDepth: 16,
  graphqlAliases: 60,
} as const;
