import type { Gateway } from '@tributary/gateway';
import type { Directory } from '@tributary/platform/directory';
import type { ReadyReport } from '@tributary/platform/ops-server';
import type { Caller } from '@tributary/schema';

/** One question that every subgraph must answer a part of. */
export const readinessQuery = /* GraphQL */ `
  query Readiness($appId: ID!, $range: TimeRange!) {
    app(id: $appId) {
      id
      name
      metrics(range: $range) { events }
      attribution(range: $range) { attributedInstalls }
      predictedLtv(range: $range) { installs }
    }
  }
`;

export interface ReadinessProbe {
  readonly gateway: Pick<Gateway, 'executeInternal'>;
  /** Whom to ask as; null while there is no tenant, when the graph has nothing to be asked for. */
  readonly caller: () => Promise<Caller | null>;
  readonly consoleUrl: string;
  readonly directory: Directory;
}

/**
 * What the family says at `/ready` on both ports: 503 until a query across all four subgraphs and a page of the console
 * have succeeded once, 200 from then on.
 */
export interface Readiness {
  report(): Promise<ReadyReport>;
  /** Told of each change; also at once with the present report. Returns an unsubscriber. */
  onReport(listener: (report: ReadyReport) => void): () => void;
  /** Tries until both have succeeded. */
  confirm(probe: ReadinessProbe): Promise<void>;
}

const retryMs = 250;

export function createReadiness(): Readiness {
  let report: ReadyReport = { ok: false, checks: { family: 'starting' } };
  const listeners = new Set<(report: ReadyReport) => void>();
  const tell = (next: ReadyReport) => {
    report = next;
    for (const listener of listeners) listener(report);
  };
  return {
    report: async () => report,
    onReport(listener) {
      listeners.add(listener);
      listener(report);
      return () => void listeners.delete(listener);
    },
    async confirm(probe) {
      for (;;) {
        const [graph, page] = await Promise.all([tryGraph(probe), tryPage(probe.consoleUrl)]);
        tell({ ok: graph === 'ok' && page === 'ok', checks: { graph, console: page } });
        if (report.ok) return;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    },
  };
}

async function tryGraph({ gateway, caller, directory }: ReadinessProbe): Promise<string> {
  const asking = await caller();
  const app = directory.current().apps[0];
  // Without a tenant there is no app to ask for; the graph itself was composed by then.
  if (!asking || !app) return 'ok';
  const answer = await gateway.executeInternal(readinessQuery, { appId: app.appId, range: { lastDays: 1 } }, asking);
  return answer.errors && answer.errors.length > 0 ? answer.errors.map((error) => error.message).join('; ') : 'ok';
}

async function tryPage(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const text = await response.text();
    return response.ok && text.includes('<html') ? 'ok' : `answered ${response.status}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
