import { resolve } from 'node:path';
import { z } from 'zod';
import { CodedError } from './errors.ts';

/**
 * The only reader of the environment. `loadConfig(env)` returns a frozen nested tree or throws CONFIG_INVALID with every
 * fault listed. Command-line options are laid over the environment by the CLI before it calls this.
 *
 * An empty value counts as not set. Store URLs that are not set mean: embedded.
 */
const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
const url = (protocols: readonly string[]) =>
  z.string().refine(
    (value) => {
      try {
        return protocols.includes(new URL(value).protocol);
      } catch {
        return false;
      }
    },
    { error: `must be a URL starting with ${protocols.join(' or ')}//` },
  );
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);
const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');

const settings = {
  TRIBUTARY_DATA_DIR: z.string().default('.data'),
  TRIBUTARY_HOST: z.string().default('127.0.0.1'),
  TRIBUTARY_PORT: port(4000),
  TRIBUTARY_COLLECTOR_PORT: port(4001),
  TRIBUTARY_WAREHOUSE_PORT: port(4010),
  TRIBUTARY_EVENTS_PORT: port(4021),
  TRIBUTARY_CAMPAIGNS_PORT: port(4022),
  TRIBUTARY_ATTRIBUTION_PORT: port(4023),
  TRIBUTARY_PREDICTIONS_PORT: port(4024),
  /** Health, readiness and metrics of roles without a port of their own; 0 = any free one. */
  TRIBUTARY_OPS_PORT: port(0),
  TRIBUTARY_WEB_PORT: port(4030),
  TRIBUTARY_PUBLIC_URL: url(['http:', 'https:']).optional(),
  TRIBUTARY_COLLECTOR_PUBLIC_URL: url(['http:', 'https:']).optional(),
  /** Addresses or CIDR ranges whose X-Forwarded-For is believed. */
  TRIBUTARY_TRUSTED_PROXIES: list.default([]),
  TRIBUTARY_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  TRIBUTARY_LOG_PARTITIONS: z.coerce.number().int().min(1).max(256).default(4),
  TRIBUTARY_LOG_RETENTION_HOURS: z.coerce
    .number()
    .min(1)
    .default(7 * 24),
  TRIBUTARY_LOG_RETENTION_BYTES: z.coerce
    .number()
    .int()
    .min(16_777_216)
    .default(20 * 1024 ** 3),
  TRIBUTARY_WAREHOUSE_URL: url(['http:', 'https:']).optional(),
  TRIBUTARY_WAREHOUSE_DATABASE: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .default('tributary'),
  TRIBUTARY_WAREHOUSE_USER: z.string().default('default'),
  TRIBUTARY_WAREHOUSE_PASSWORD: z.string().default(''),
  TRIBUTARY_WAREHOUSE_MEMORY_BYTES: z.coerce.number().int().min(268_435_456).default(1_200_000_000),
  TRIBUTARY_POSTGRES_URL: url(['postgres:', 'postgresql:']).optional(),
  TRIBUTARY_REDIS_URL: url(['redis:', 'rediss:']).optional(),
  /** Comma-separated host:port; set = the event log is Kafka. */
  TRIBUTARY_KAFKA_BROKERS: list.default([]),
  TRIBUTARY_KAFKA_TOPIC: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/)
    .default('events-raw'),
  /** Of a topic that is made on start. 3 with min.insync.replicas 2 in production; 1 only suits a test broker. */
  TRIBUTARY_KAFKA_REPLICATION: z.coerce.number().int().min(1).max(9).default(3),
  TRIBUTARY_KAFKA_TLS: flag.default(false),
  /** A consumer that says nothing for this long loses its partitions to another. */
  TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS: z.coerce.number().int().min(6_000).max(300_000).default(30_000),
  /** How user name and password are shown to the brokers; `plain` needs TLS. */
  TRIBUTARY_KAFKA_SASL: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).default('scram-sha-512'),
  TRIBUTARY_KAFKA_USERNAME: z.string().optional(),
  TRIBUTARY_KAFKA_PASSWORD: z.string().optional(),
  /** Processes that share the collector's port. */
  TRIBUTARY_COLLECTOR_WORKERS: z.coerce.number().int().min(1).max(64).default(1),
  /** `bun` runs the collector's workers under Bun, where the npm package is installed. */
  TRIBUTARY_COLLECTOR_RUNTIME: z.enum(['node', 'bun']).default('node'),
  /** A MaxMind-format file (.mmdb) to use in place of the shipped country database. */
  TRIBUTARY_GEOIP_FILE: z.string().optional(),
  /** A user of the warehouse that may only read; readers use it. Absent = the one user. */
  TRIBUTARY_WAREHOUSE_READ_USER: z.string().optional(),
  TRIBUTARY_WAREHOUSE_READ_PASSWORD: z.string().default(''),
  /** Where exports are written; shared by the roles that write and serve them. Default: `exports` in the data directory. */
  TRIBUTARY_EXPORTS_DIR: z.string().optional(),
  /** smtp(s):// of the server that sends alert mails; absent = alerts go by webhook only. */
  TRIBUTARY_SMTP_URL: url(['smtp:', 'smtps:']).optional(),
  TRIBUTARY_MAIL_FROM: z.string().default('alerts@tributary.invalid'),
  /** Lets webhooks and cost pulls go to private and loopback addresses, which tenants may otherwise not reach through us. */
  TRIBUTARY_OUTBOUND_PRIVATE: flag.default(false),
  TRIBUTARY_SUBGRAPH_EVENTS_URL: url(['http:', 'https:']).optional(),
  TRIBUTARY_SUBGRAPH_CAMPAIGNS_URL: url(['http:', 'https:']).optional(),
  TRIBUTARY_SUBGRAPH_ATTRIBUTION_URL: url(['http:', 'https:']).optional(),
  TRIBUTARY_SUBGRAPH_PREDICTIONS_URL: url(['http:', 'https:']).optional(),
  /** Signs callers to subgraphs and console sessions. Made and kept in the data directory when not set. */
  TRIBUTARY_SIGNING_SECRET: z.string().min(32).optional(),
  TRIBUTARY_LIVE_INTERVAL_MS: z.coerce.number().int().min(50).max(60_000).default(250),
  TRIBUTARY_INSECURE_OPEN: flag.default(false),
} as const;

const envSchema = z.object(settings);

export type SubgraphName = 'events' | 'campaigns' | 'attribution' | 'predictions';
export const subgraphNames = ['events', 'campaigns', 'attribution', 'predictions'] as const;

export interface Config {
  readonly dataDir: string;
  readonly host: string;
  readonly ports: {
    readonly gateway: number;
    readonly collector: number;
    readonly warehouse: number;
    readonly ops: number;
    readonly web: number;
    readonly subgraphs: Readonly<Record<SubgraphName, number>>;
  };
  readonly publicUrl: string | null;
  readonly collectorPublicUrl: string | null;
  readonly trustedProxies: readonly string[];
  readonly logLevel: z.output<typeof settings.TRIBUTARY_LOG_LEVEL>;
  readonly eventLog: {
    readonly partitions: number;
    readonly retentionHours: number;
    readonly retentionBytes: number;
    /** Empty = embedded. */
    readonly kafkaBrokers: readonly string[];
  };
  readonly warehouse: {
    /** null = embedded: the child on `ports.warehouse`. */
    readonly url: string | null;
    readonly database: string;
    readonly user: string;
    readonly password: string;
    readonly memoryBytes: number;
  };
  /** null = PGlite in the data directory. */
  readonly postgresUrl: string | null;
  /** null = in the process. */
  readonly redisUrl: string | null;
  /** null = on this host at its port. */
  readonly subgraphUrls: Readonly<Record<SubgraphName, string | null>>;
  readonly signingSecret: string | null;
  readonly kafka: {
    readonly topic: string;
    readonly replication: number;
    readonly tls: boolean;
    readonly sessionTimeoutMs: number;
    readonly saslMechanism: z.output<typeof settings.TRIBUTARY_KAFKA_SASL>;
    readonly username: string | null;
    readonly password: string | null;
  };
  /** Readers' user of the warehouse; null = `warehouse.user`. */
  readonly warehouseReader: { readonly user: string; readonly password: string } | null;
  readonly liveIntervalMs: number;
  readonly collector: {
    readonly workers: number;
    readonly runtime: 'node' | 'bun';
    /** null = the shipped database. */
    readonly geoipFile: string | null;
  };
  readonly exportsDir: string;
  readonly mail: { readonly smtpUrl: string | null; readonly from: string };
  /** Whether URLs that tenants configure may name private addresses. */
  readonly outboundPrivate: boolean;
  /** Allows `--host` beyond loopback without TLS in front. */
  readonly insecureOpen: boolean;
}

export type ConfigVariable = keyof typeof settings;

/** Parses the environment. Throws CodedError CONFIG_INVALID whose `details.faults` lists every fault. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name.startsWith('TRIBUTARY_') && value !== undefined && value !== ''),
  );
  const faults: string[] = Object.keys(given)
    .filter((name) => !(name in settings))
    .map((name) => `${name}: unknown setting`);
  const parsed = envSchema.safeParse(given);
  if (!parsed.success) {
    faults.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  }
  if (faults.length > 0 || !parsed.success) {
    throw new CodedError('CONFIG_INVALID', {
      message: `The configuration has ${faults.length} fault(s):\n  ${faults.join('\n  ')}`,
      details: { faults },
    });
  }
  return deepFreeze(treeOf(parsed.data));
}

function treeOf(env: z.output<typeof envSchema>): Config {
  return {
    dataDir: resolve(env.TRIBUTARY_DATA_DIR),
    host: env.TRIBUTARY_HOST,
    ports: {
      gateway: env.TRIBUTARY_PORT,
      collector: env.TRIBUTARY_COLLECTOR_PORT,
      warehouse: env.TRIBUTARY_WAREHOUSE_PORT,
      ops: env.TRIBUTARY_OPS_PORT,
      web: env.TRIBUTARY_WEB_PORT,
      subgraphs: {
        events: env.TRIBUTARY_EVENTS_PORT,
        campaigns: env.TRIBUTARY_CAMPAIGNS_PORT,
        attribution: env.TRIBUTARY_ATTRIBUTION_PORT,
        predictions: env.TRIBUTARY_PREDICTIONS_PORT,
      },
    },
    publicUrl: env.TRIBUTARY_PUBLIC_URL ?? null,
    collectorPublicUrl: env.TRIBUTARY_COLLECTOR_PUBLIC_URL ?? null,
    trustedProxies: env.TRIBUTARY_TRUSTED_PROXIES,
    logLevel: env.TRIBUTARY_LOG_LEVEL,
    eventLog: {
      partitions: env.TRIBUTARY_LOG_PARTITIONS,
      retentionHours: env.TRIBUTARY_LOG_RETENTION_HOURS,
      retentionBytes: env.TRIBUTARY_LOG_RETENTION_BYTES,
      kafkaBrokers: env.TRIBUTARY_KAFKA_BROKERS,
    },
    warehouse: {
      url: env.TRIBUTARY_WAREHOUSE_URL ?? null,
      database: env.TRIBUTARY_WAREHOUSE_DATABASE,
      user: env.TRIBUTARY_WAREHOUSE_USER,
      password: env.TRIBUTARY_WAREHOUSE_PASSWORD,
      memoryBytes: env.TRIBUTARY_WAREHOUSE_MEMORY_BYTES,
    },
    postgresUrl: env.TRIBUTARY_POSTGRES_URL ?? null,
    redisUrl: env.TRIBUTARY_REDIS_URL ?? null,
    subgraphUrls: {
      events: env.TRIBUTARY_SUBGRAPH_EVENTS_URL ?? null,
      campaigns: env.TRIBUTARY_SUBGRAPH_CAMPAIGNS_URL ?? null,
      attribution: env.TRIBUTARY_SUBGRAPH_ATTRIBUTION_URL ?? null,
      predictions: env.TRIBUTARY_SUBGRAPH_PREDICTIONS_URL ?? null,
    },
    signingSecret: env.TRIBUTARY_SIGNING_SECRET ?? null,
    kafka: {
      topic: env.TRIBUTARY_KAFKA_TOPIC,
      replication: env.TRIBUTARY_KAFKA_REPLICATION,
      tls: env.TRIBUTARY_KAFKA_TLS,
      sessionTimeoutMs: env.TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS,
      saslMechanism: env.TRIBUTARY_KAFKA_SASL,
      username: env.TRIBUTARY_KAFKA_USERNAME ?? null,
      password: env.TRIBUTARY_KAFKA_PASSWORD ?? null,
    },
    warehouseReader:
      env.TRIBUTARY_WAREHOUSE_READ_USER === undefined
        ? null
        : { user: env.TRIBUTARY_WAREHOUSE_READ_USER, password: env.TRIBUTARY_WAREHOUSE_READ_PASSWORD },
    liveIntervalMs: env.TRIBUTARY_LIVE_INTERVAL_MS,
    collector: {
      workers: env.TRIBUTARY_COLLECTOR_WORKERS,
      runtime: env.TRIBUTARY_COLLECTOR_RUNTIME,
      geoipFile: env.TRIBUTARY_GEOIP_FILE ?? null,
    },
    exportsDir: resolve(env.TRIBUTARY_EXPORTS_DIR ?? `${env.TRIBUTARY_DATA_DIR}/exports`),
    mail: { smtpUrl: env.TRIBUTARY_SMTP_URL ?? null, from: env.TRIBUTARY_MAIL_FROM },
    outboundPrivate: env.TRIBUTARY_OUTBOUND_PRIVATE,
    insecureOpen: env.TRIBUTARY_INSECURE_OPEN,
  };
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
