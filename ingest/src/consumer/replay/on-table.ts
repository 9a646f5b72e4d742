import type { QueryDefinition, Warehouse } from '@tributary/platform/warehouse';

/**
 * The warehouse as the consumer's steps see it while they fill another version of `events`: their questions go to that table.
 * `heldBeforeMs`: rows received later are no holders of a key (a version being built holds rows that came long after the
 * line that is judged, and a repeat beyond the window is an event of its own).
 */
export function onTable(warehouse: Warehouse, table: string, heldBeforeMs?: () => number): Warehouse {
  const rewritten = new Map<string, QueryDefinition<Record<string, unknown>, unknown>>();
  const into = (sql: string) => sql.replaceAll(/\bFROM events\b/g, `FROM ${table}`);
  return {
    ...warehouse,
    query(definition, params, options) {
      const bound = heldBeforeMs && definition.name === 'consumer.stored_keys' ? heldBeforeMs() : null;
      const key = `${definition.name} ${bound ?? ''}`;
      if (rewritten.size > 100) rewritten.clear();
      const known = rewritten.get(key) as typeof definition | undefined;
      const sql =
        bound === null ? definition.sql : `${definition.sql}\n  AND received_at < fromUnixTimestamp64Milli(${bound})`;
      const moved = known ?? { ...definition, sql: into(sql) };
      rewritten.set(key, moved as unknown as QueryDefinition<Record<string, unknown>, unknown>);
      return warehouse.query(moved, params, options);
    },
    execute: (statement) => warehouse.execute({ ...statement, sql: into(statement.sql) }),
  };
}
