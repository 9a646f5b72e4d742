import { randomUUID } from 'node:crypto';
import { type ClickHouseWarehouseOptions, createRequests } from './clickhouse-requests.ts';

export interface StreamStatement {
  readonly name: string;
  /** Without a FORMAT. It must be bound to a tenant: what it reads goes into a file as it is. */
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly format: 'JSONEachRow' | 'CSVWithNames' | 'Parquet';
  readonly timeoutMs: number;
  readonly maxMemoryBytes: number;
  readonly signal?: AbortSignal;
}

/**
 * Answers of the warehouse as bytes in a file format, for exports.
 *
 * - The answer is complete or the iteration throws: the store sends it when the statement has ended well, so no error can
 *   hide in the middle of it. A server keeps it on disk until then; the embedded engine in its memory, within its limits.
 * - Backpressure reaches the store: chunks are read as they are asked for. Ending the iteration early ends the statement.
 * - 64-bit integers and decimals of JSON are texts.
 */
export interface WarehouseStreams {
  read(statement: StreamStatement): AsyncIterable<Uint8Array>;
  dispose(): Promise<void>;
}

/**
 * @example
 * const streams = openWarehouseStreams({ url, database: 'tributary', user: 'default', password: '' });
 * for await (const chunk of streams.read(statement)) await writer.write(chunk);
 */
export function openWarehouseStreams(options: ClickHouseWarehouseOptions): WarehouseStreams {
  const requests = createRequests({ ...options, maxOpenConnections: options.maxOpenConnections ?? 4 });
  return {
    read: (statement) => readChunks(requests, statement),
    dispose: () => requests.dispose(),
  };
}

async function* readChunks(
  requests: ReturnType<typeof createRequests>,
  { name, sql, params, format, timeoutMs, maxMemoryBytes, signal }: StreamStatement,
): AsyncGenerator<Uint8Array> {
  const queryId = `${name}-${randomUUID()}`;
  const answer = await requests.send(name, { queryId, timeoutMs, signal }, (client, abort_signal) =>
    client.exec({
      query: `${sql}\nFORMAT ${format}`,
      query_params: { ...params },
      query_id: queryId,
      abort_signal,
      clickhouse_settings: {
        max_execution_time: timeoutMs / 1_000,
        max_memory_usage: String(maxMemoryBytes),
        wait_end_of_query: 1,
        output_format_json_quote_64bit_integers: 1,
        output_format_json_quote_decimals: 1,
        output_format_parquet_string_as_string: 1,
      },
    }),
  );
  try {
    for await (const chunk of answer.stream) yield chunk as Uint8Array;
  } finally {
    answer.stream.destroy();
  }
}
