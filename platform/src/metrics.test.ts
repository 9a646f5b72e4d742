import { createMetrics } from './metrics.ts';

describe('createMetrics', () => {
  it("exposes the process's own metrics and those made here, labelled with the role", async () => {
    const metrics = createMetrics('collector');
    metrics.counter({ name: 'tributary_test_total', help: 'Test', labelNames: ['verdict'] }).inc({ verdict: 'ok' }, 2);
    const text = await metrics.registry.metrics();
    expect(text).toContain('tributary_test_total{verdict="ok",role="collector"} 2');
    expect(text).toContain('process_resident_memory_bytes{role="collector"}');
  });

  it('gives the metric that is there when a second role of the process asks for it', () => {
    const metrics = createMetrics('all');
    const definition = { name: 'tributary_test_bytes', help: 'Test' };
    expect(metrics.gauge(definition)).toBe(metrics.gauge(definition));
    const seconds = { name: 'tributary_test_seconds', help: 'Test', buckets: [1] };
    expect(metrics.histogram(seconds)).toBe(metrics.histogram(seconds));
  });

  it('keeps two registries apart', async () => {
    const [a, b] = [createMetrics('a'), createMetrics('b')];
    a.counter({ name: 'tributary_test_total', help: 'Test' }).inc();
    expect(await b.registry.metrics()).not.toContain('tributary_test_total');
  });
});
