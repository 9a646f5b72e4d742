import type { Clock } from '@tributary/platform/clock';
import type { Logger } from '@tributary/platform/logger';
import { recordAudit } from './audit.ts';
import { withChange } from './changes.ts';
import type { Relational } from './client.ts';

/**
 * Revokes the keys whose time is over (`expiresAt`, or the grace period after a rotation), so that they leave the directory,
 * and forgets answers whose idempotency keys may be used anew. Returns how many keys went. Cheap when there are none.
 */
export async function expireKeys(relational: Relational, nowMs: number): Promise<number> {
  const now = new Date(nowMs);
  const due = { revokedAt: null, OR: [{ expiresAt: { lte: now } }, { graceUntil: { lte: now } }] };
  const select = { id: true, tenantId: true } as const;
  const [apiKeys, writeKeys] = [
    await relational.client.apiKey.findMany({ where: due, select }),
    await relational.client.writeKey.findMany({ where: due, select }),
  ];
  await relational.client.idempotencyRecord.deleteMany({ where: { expiresAt: { lte: now } } });
  const keys = [...apiKeys, ...writeKeys];
  if (keys.length === 0) return 0;
  await withChange(relational, ['directory'], async (tx) => {
    await tx.apiKey.updateMany({
      where: { id: { in: apiKeys.map(({ id }) => id) }, ...due },
      data: { revokedAt: now },
    });
    await tx.writeKey.updateMany({
      where: { id: { in: writeKeys.map(({ id }) => id) }, ...due },
      data: { revokedAt: now },
    });
    await recordAudit(
      tx,
      keys.map(({ id, tenantId }) => ({ tenantId, actor: 'system', action: 'key.expired', subjectId: id })),
    );
  });
  return keys.length;
}

/** Runs `expireKeys` every `pollMs` (default 5,000) until disposed. A fault is logged and tried again. */
export function startKeyExpiry(options: {
  readonly relational: Relational;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly pollMs?: number;
}): { dispose(): Promise<void> } {
  const { relational, clock, logger } = options;
  let running: Promise<unknown> | null = null;
  const timer = setInterval(() => {
    running ??= expireKeys(relational, clock.now())
      .catch((err: unknown) => logger?.error({ err }, 'keys could not be expired; trying again'))
      .finally(() => {
        running = null;
      });
  }, options.pollMs ?? 5_000).unref();
  return {
    async dispose() {
      clearInterval(timer);
      await running;
    },
  };
}
