import { defineQuery, type Warehouse } from '@tributary/platform/warehouse';
import { z } from 'zod';

/** Grain: worker. Ordering key: worker. Scan: a handful of rows. */
const positionQuery = defineQuery({
  name: 'worker_position',
  tenantFree: 'a position belongs to a loop, not to a tenant',
  sql: `SELECT toFloat64(argMax(position_ms, version)) AS positionMs FROM worker_positions WHERE worker = {worker:String} GROUP BY worker`,
  params: z.object({ worker: z.string() }),
  row: z.object({ positionMs: z.number() }),
});

/** How far a loop has read, kept in the warehouse. Epoch ms; 0 before the first. It only grows. */
export interface Position {
  read(): Promise<number>;
  write(positionMs: number): Promise<void>;
}

export function createPosition(warehouse: Warehouse, worker: string): Position {
  return {
    async read() {
      const [row] = await warehouse.query(positionQuery, { worker });
      return row?.positionMs ?? 0;
    },
    async write(positionMs) {
      await warehouse.insertRows({
        name: 'worker_write_position',
        table: 'worker_positions',
        // Positions only grow, so that they are their own version.
        rows: [{ worker, position_ms: positionMs, version: positionMs }],
      });
    },
  };
}
