import type { Clock } from '@tributary/platform/clock';
import type { Logger } from '@tributary/platform/logger';
import { recordAudit } from './audit.ts';
import { withChange } from './changes.ts';
import type { Relational } from './client.ts';
import { forgetOldRecords } from './old-records.ts';

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

const forgetEveryMs = 3_600_000;

/** Runs `expireKeys` every `pollMs` (default 5,000), and `forgetOldRecords` each hour, until disposed. A fault is logged and tried again. */
export function startKeyExpiry(options: {
  readonly relational: Relational;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly pollMs?: number;
}): { dispose(): Promise<void> } {
  const { relational, clock, logger } = options;
  let running: Promise<unknown> | null = null;
  let forgotAt = clock.now();
  const sweep = async () => {
    const now = clock.now();
    await expireKeys(relational, now);
    if (now - forgotAt < forgetEveryMs) return;
    await forgetOldRecords(relational, now);
    forgotAt = now;
  };
  const timer = setInterval(() => {
    running ??= sweep()
      .catch((err: unknown) => logger?.error({ err }, 'old keys and records could not be removed; trying again'))
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
