import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** Of a request: statement, parameters and rows. */
const maxBodyBytes = 268_435_456;

export interface EngineSetup {
  /** Where chDB keeps its data. */
  readonly path: string;
  readonly engineArgs: readonly string[];
  readonly baseSettings: Readonly<Record<string, string>>;
}

/**
 * Prepares `<dir>` for chDB and writes its configuration. All of the engine's memory limits follow from `memoryBytes`:
 * a statement may take 60 % of it, sorts and groups go to disk from a quarter on, caches take about a tenth. The process
 * itself (Node, code pages) comes on top, about 250 MB.
 */
export function prepareEngine(dir: string, memoryBytes: number): EngineSetup {
  const path = join(dir, 'chdb');
  mkdirSync(path, { recursive: true });
  const configFile = join(dir, 'engine.xml');
  writeFileSync(configFile, engineConfig(memoryBytes));
  const share = (part: number) => String(Math.floor(memoryBytes * part));
  return {
    path,
    // Parameters are part of the text here (a SET before the statement); ClickHouse counts only the statement itself.
    engineArgs: [`--config-file=${configFile}`, `--max_query_size=${maxBodyBytes}`],
    baseSettings: {
      max_memory_usage: share(0.6),
      max_bytes_before_external_group_by: share(0.25),
      max_bytes_before_external_sort: share(0.25),
      max_threads: String(Math.max(1, Math.min(4, availableParallelism()))),
      // A query gets as many threads as the engine has times this free: with the usual 1 GiB there was never more than one.
      max_threads_min_free_memory_per_thread: share(1 / 16),
      // Rows and bytes from which on a second thread reads too; the usual 20 granules are most of what a console asks.
      merge_tree_min_rows_for_concurrent_read: '32768',
      merge_tree_min_bytes_for_concurrent_read: '41943040',
      // As a ClickHouse server reads them; `clickhouse local` has defaults of its own.
      input_format_skip_unknown_fields: '1',
      implicit_select: '0',
      // Cutting the body into chunks for several threads costs 1.3 of 12.7 µs CPU a row, and no core here is idle under load.
      input_format_parallel_parsing: '0',
    },
  };
}

function engineConfig(memoryBytes: number): string {
  const bytes = (part: number) => Math.floor(memoryBytes * part);
  const settings: Record<string, string | number> = {
    timezone: 'UTC',
    max_server_memory_usage: memoryBytes,
    merges_mutations_memory_usage_soft_limit: bytes(0.4),
    mark_cache_size: bytes(1 / 32),
    primary_index_cache_size: bytes(1 / 32),
    index_mark_cache_size: bytes(1 / 64),
    uncompressed_cache_size: 0,
    query_condition_cache_size: 8_388_608,
    compiled_expression_cache_size: 16_777_216,
    mmap_cache_size: 64,
    background_pool_size: 2,
    background_merges_mutations_concurrency_ratio: 1,
    background_schedule_pool_size: 2,
    background_common_pool_size: 1,
    background_move_pool_size: 1,
    background_fetches_pool_size: 1,
    max_thread_pool_free_size: 32,
  };
  const tables = {
    // The consumer commits its offset after an insert, so the part must outlive a power cut, not only a dead process.
    fsync_after_insert: 1,
    fsync_part_directory: 1,
  };
  const xml = (entries: object, indent: string) =>
    Object.entries(entries).map(([name, value]) => `${indent}<${name}>${value}</${name}>`);
  return [
    '<clickhouse>',
    ...xml(settings, '  '),
    '  <merge_tree>',
    ...xml(tables, '    '),
    '  </merge_tree>',
    '</clickhouse>',
    '',
  ].join('\n');
}
