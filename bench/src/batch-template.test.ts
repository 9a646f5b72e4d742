import { createBatchTemplate } from './batch-template.ts';

interface Batch {
  readonly batch: readonly { event_id: string; anonymous_id: string; occurred_at: number; revenue_amount?: string }[];
  readonly sent_at: number;
}

it('gives whole requests whose events have ids of their own and times of the last minute', () => {
  const template = createBatchTemplate(100, (bodyBytes) => `Content-Length: ${bodyBytes}\r\n\r\n`);
  const now = 1_796_000_000_123;
  const ids = new Set<string>();
  for (let sent = 0; sent < 50; sent += 1) {
    const [head, body] = template.next(now).toString('utf8').split('\r\n\r\n') as [string, string];
    expect(head).toBe(`Content-Length: ${Buffer.byteLength(body)}`);
    const { batch, sent_at } = JSON.parse(body) as Batch;
    expect(sent_at).toBe(now);
    for (const event of batch) {
      ids.add(event.event_id);
      expect(event.event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(event.anonymous_id).toMatch(/^person-[01]\d{5}$/);
      expect(event.occurred_at).toBeGreaterThan(now - 60_000);
      expect(event.occurred_at).toBeLessThanOrEqual(now);
    }
    expect(batch.filter((event) => event.revenue_amount)).toHaveLength(20);
  }
  expect(ids.size).toBe(5_000);
});
