import {
  AggregatorRegistry,
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  Registry,
} from 'prom-client';

/**
 * The Prometheus metrics of one process. Names start with `tributary_`, carry their unit (`_seconds`, `_bytes`,
 * `_total`), and labels have few values: never a tenant, key, person or event name.
 *
 * Asking again for a metric of the same name gives the one that is there, so that several roles of a process can count
 * in one.
 */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string>(definition: CounterConfiguration<L>): Counter<L>;
  gauge<L extends string>(definition: GaugeConfiguration<L>): Gauge<L>;
  histogram<L extends string>(definition: HistogramConfiguration<L>): Histogram<L>;
}

/**
 * A registry of its own (no global one) with the process's default metrics, all labelled with the role.
 *
 * @example
 * const metrics = createMetrics('collector');
 * const events = metrics.counter({ name: 'tributary_events_total', help: 'Events taken', labelNames: ['verdict'] });
 */
export function createMetrics(role: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry });
  const once = <M>(name: string, make: () => M): M => (registry.getSingleMetric(name) as M | undefined) ?? make();
  return {
    registry,
    counter: (definition) => once(definition.name, () => new Counter({ ...definition, registers: [registry] })),
    gauge: (definition) => once(definition.name, () => new Gauge({ ...definition, registers: [registry] })),
    histogram: (definition) => once(definition.name, () => new Histogram({ ...definition, registers: [registry] })),
  };
}

/** What a registry's metrics are at a moment, fit for another process. */
export type MetricValues = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** One text of Prometheus for the metrics of several processes: counts and buckets are summed. */
export function aggregateMetrics(values: readonly MetricValues[]): Promise<string> {
  return AggregatorRegistry.aggregate(values as never).metrics();
}
