import { loadConfig } from '@tributary/schema';
import { platformaticOptionsOf, producerOptionsOf } from './appender.ts';
import { kafkaOptionsOf, withDefaults } from './settings.ts';

const optionsOf = (env: Record<string, string>) =>
  kafkaOptionsOf(loadConfig({ TRIBUTARY_KAFKA_BROKERS: 'a:9092,b:9092', ...env }));

describe('the settings of the Kafka event log', () => {
  it('are 7 days, three replicas, no TLS and no password where nothing else is set', () => {
    expect(optionsOf({})).toEqual({
      brokers: ['a:9092', 'b:9092'],
      topic: 'events-raw',
      partitions: 4,
      replication: 3,
      retentionMs: 7 * 86_400_000,
      sessionTimeoutMs: 30_000,
      tls: false,
      sasl: null,
    });
  });

  it('have every block acknowledged by all in-sync replicas, whatever else is set', () => {
    // −1 on the wire is "all". One broker alone can't show it: Kafka 4 asks for no more replicas than there are.
    expect(producerOptionsOf(withDefaults(optionsOf({ TRIBUTARY_KAFKA_REPLICATION: '1' })))).toMatchObject({
      acks: -1,
      idempotent: true,
      compression: 'zstd',
    });
  });

  it('reach the producer with TLS and SASL', () => {
    const options = optionsOf({
      TRIBUTARY_KAFKA_TLS: 'true',
      TRIBUTARY_KAFKA_SASL: 'plain',
      TRIBUTARY_KAFKA_USERNAME: 'u',
      TRIBUTARY_KAFKA_PASSWORD: 'p',
    });
    expect(platformaticOptionsOf(withDefaults(options))).toMatchObject({
      bootstrapBrokers: ['a:9092', 'b:9092'],
      tls: {},
      tlsServerName: true,
      sasl: { mechanism: 'PLAIN', username: 'u', password: 'p' },
    });
  });

  it.each([
    ['a user name without a password', { TRIBUTARY_KAFKA_USERNAME: 'u' }],
    [
      'a password that would go in the clear',
      { TRIBUTARY_KAFKA_USERNAME: 'u', TRIBUTARY_KAFKA_PASSWORD: 'p', TRIBUTARY_KAFKA_SASL: 'plain' },
    ],
  ])('are refused with %s', (_, env) => {
    expect(() => optionsOf(env)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
