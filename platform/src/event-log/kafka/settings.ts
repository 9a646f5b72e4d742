import { CodedError, type Config } from '@tributary/schema';
import type { Logger } from '../../logger.ts';

/** How the Kafka event log is reached, made and bounded. */
export interface KafkaEventLogOptions {
  /** host:port, one or more. */
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Of a topic that is made on start; one that is there must have as many. */
  readonly partitions: number;
  /** Of a topic that is made on start. 3 in production; 1 only suits a test broker. */
  readonly replication: number;
  /** Default 7 days, by the broker's clock. */
  readonly retentionMs?: number;
  readonly tls?: boolean;
  readonly sasl?: KafkaSasl | null;
  readonly logger?: Logger;
  /** Largest record, and the topic's `max.message.bytes` when it is made. Default 4 MiB; the largest line is 1 MB. */
  readonly maxMessageBytes?: number;
  /** Blocks read ahead and not yet taken by `next`, in memory, of one reader. Default 32 MiB. */
  readonly prefetchBytes?: number;
  /** After it an append that got no answer rejects. Default 10,000. */
  readonly appendTimeoutMs?: number;
  /** A reader that is silent for so long loses its partitions. Default 30,000. */
  readonly sessionTimeoutMs?: number;
  /** How long `checkHealth` waits. Default 5,000. */
  readonly healthTimeoutMs?: number;
  /** Epoch ms; default: the system's clock. */
  readonly now?: () => number;
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** The options with every default in place. */
export type KafkaSettings = Required<Omit<KafkaEventLogOptions, 'logger'>> & { readonly logger: Logger | undefined };

export function withDefaults(options: KafkaEventLogOptions): KafkaSettings {
  return {
    retentionMs: 7 * 86_400_000,
    tls: false,
    sasl: null,
    maxMessageBytes: 4_194_304,
    prefetchBytes: 33_554_432,
    appendTimeoutMs: 10_000,
    sessionTimeoutMs: 30_000,
    healthTimeoutMs: 5_000,
    now: Date.now,
    ...options,
    logger: options.logger,
  };
}

/** Throws CONFIG_INVALID when only one of user name and password is set, or a password would go in the clear. */
export function kafkaOptionsOf(config: Pick<Config, 'eventLog' | 'kafka'>): KafkaEventLogOptions {
  const { eventLog, kafka } = config;
  return {
    brokers: eventLog.kafkaBrokers,
    topic: kafka.topic,
    partitions: eventLog.partitions,
    replication: kafka.replication,
    retentionMs: Math.round(eventLog.retentionHours * 3_600_000),
    tls: kafka.tls,
    sessionTimeoutMs: kafka.sessionTimeoutMs,
    sasl: saslOf(kafka),
  };
}

function saslOf({ username, password, saslMechanism, tls }: Config['kafka']): KafkaSasl | null {
  if (username === null && password === null) return null;
  if (username === null || password === null) {
    throw new CodedError('CONFIG_INVALID', {
      message: 'Of TRIBUTARY_KAFKA_USERNAME and TRIBUTARY_KAFKA_PASSWORD only one is set; set both or none.',
    });
  }
  if (saslMechanism === 'plain' && !tls) {
    throw new CodedError('CONFIG_INVALID', {
      message:
        'TRIBUTARY_KAFKA_SASL=plain would send the password in the clear: set TRIBUTARY_KAFKA_TLS=true, or use a ' +
        'scram mechanism.',
    });
  }
  return { mechanism: saslMechanism, username, password };
}
