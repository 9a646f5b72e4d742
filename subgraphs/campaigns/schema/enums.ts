import { type alertMetrics, eventKinds, type memberRoles, type scopes } from '@tributary/schema';
import type { SubgraphKit } from '../../src/kit.ts';

/** The subgraph's enums: GraphQL's names on the wire, the store's values inside. */
export function addEnums({ builder }: SubgraphKit) {
  return {
    AppPlatform: builder.enumType('AppPlatform', {
      description: 'What an app runs on.',
      values: {
        IOS: { value: 'ios', description: 'iOS and iPadOS.' },
        ANDROID: { value: 'android', description: 'Android.' },
        WEB: { value: 'web', description: 'Browsers.' },
        CROSS_PLATFORM: { value: 'cross_platform', description: 'Several of them under one app.' },
      } as const,
    }),
    IpPolicy: builder.enumType('IpPolicy', {
      description: 'What is kept of the addresses that events come from.',
      values: {
        KEEP: { value: 'keep', description: 'The address.' },
        TRUNCATE: { value: 'truncate', description: 'Without its last part.' },
        DROP: { value: 'drop', description: 'Nothing; the country is found before.' },
      } as const,
    }),
    ConsentPolicy: builder.enumType('ConsentPolicy', {
      description: 'What consent does to events.',
      values: {
        RECORD: { value: 'record', description: 'It is stored as sent and changes nothing.' },
        REQUIRE: {
          value: 'require',
          description: 'Where it is denied, device ids, address and user agent are left out.',
        },
      } as const,
    }),
    LinkPlatform: builder.enumType('LinkPlatform', {
      description: 'What a link is opened on.',
      values: {
        IOS: { value: 'ios', description: 'iPhones and iPads.' },
        ANDROID: { value: 'android', description: 'Android devices.' },
        DESKTOP: { value: 'desktop', description: 'Anything else.' },
      } as const,
    }),
    CampaignStatus: builder.enumType('CampaignStatus', {
      description:
        'Whether a campaign runs. Kept by hand or by the partner’s integration; costs and installs count in any.',
      values: {
        ACTIVE: { description: 'It runs.' },
        PAUSED: { description: 'It may run again.' },
        ARCHIVED: { description: 'It is over.' },
      } as const,
    }),
    EventKind: builder.enumType('GoalEventKind', {
      description: 'What kind of event a goal counts.',
      values: Object.fromEntries(
        eventKinds.map((kind) => [kind.toUpperCase(), { value: kind, description: `Events of kind \`${kind}\`.` }]),
      ) as Record<string, { value: (typeof eventKinds)[number]; description: string }>,
    }),
    MemberRole: builder.enumType('MemberRole', {
      description: 'What a member may do, at most.',
      values: {
        OWNER: { description: 'Everything: reads, personal fields, administration.' },
        ANALYST: { description: 'Reads reports and personal fields.' },
        PARTNER: { description: 'Reads what concerns their partner, never personal fields.' },
        READ_ONLY: { description: 'Reads reports without personal fields.' },
      } satisfies Record<(typeof memberRoles)[number], { description: string }>,
    }),
    Scope: builder.enumType('KeyScope', {
      description: 'What a key may do. Scopes don’t imply each other.',
      values: {
        READ_REPORTS: { value: 'read:reports', description: 'Read metrics, campaigns, costs and installs.' },
        READ_PERSONAL: { value: 'read:personal', description: 'Read what can be traced to a person.' },
        ADMIN: { value: 'admin', description: 'Change settings, keys, members, campaigns and costs.' },
        INGEST_WRITE: { value: 'ingest:write', description: 'Send events.' },
        INGEST_BACKFILL: { value: 'ingest:backfill', description: 'Send old events.' },
      } satisfies Record<string, { value: (typeof scopes)[number]; description: string }>,
    }),
    RatePlan: builder.enumType('RatePlanName', {
      description: 'Which bounds a key’s queries have; see `settings`.',
      values: {
        STANDARD: { value: 'standard', description: 'The usual one.' },
        LARGE: { value: 'large', description: 'Ten times the points, twice the time range.' },
      } as const,
    }),
    WriteKeyKind: builder.enumType('WriteKeyKind', {
      description: 'Where a key that writes events is kept.',
      values: {
        WRITE: { value: 'write', description: 'Ships inside an app: recent events only.' },
        SECRET: { value: 'secret', description: 'Stays on your servers: may backfill.' },
      } as const,
    }),
    CostFormat: builder.enumType('CostFormat', {
      description: 'How a cost source writes its table.',
      values: {
        CSV: { description: 'RFC 4180, first line = column names.' },
        JSON: { description: 'A list of objects.' },
      },
    }),
    CampaignBy: builder.enumType('CostCampaignBy', {
      description: 'What the campaign column of a cost table holds.',
      values: {
        ID: { description: 'Our campaign ids.' },
        NAME: { description: 'Names; each must be of one campaign.' },
      },
    }),
    AllocationMode: builder.enumType('CostAllocationMode', {
      description: 'What a spread sum does to the days’ figures.',
      values: { ADD: { description: 'It is added to them.' }, SET: { description: 'It replaces them.' } },
    }),
    AlertKind: builder.enumType('AlertKind', {
      description: 'When an alert fires.',
      values: {
        THRESHOLD: { description: 'When the value is beyond a bound.' },
        ANOMALY: { description: 'When the value is unlike the same weekday and time of the weeks before.' },
      },
    }),
    AlertMetric: builder.enumType('AlertMetric', {
      description: 'What an alert watches; production events, money in the app’s currency.',
      values: {
        EVENTS: { description: 'Events of every kind.' },
        INSTALLS: { description: 'Install events.' },
        SESSIONS: { description: 'Session events.' },
        PURCHASES: { description: 'Purchase events.' },
        REVENUE: { description: 'Purchases and ad revenue less refunds.' },
        SPEND: { description: 'Costs, by whole days.' },
      } satisfies Record<(typeof alertMetrics)[number], { description: string }>,
    }),
    AlertDirection: builder.enumType('AlertDirection', {
      description: 'Which side of a bound is wrong.',
      values: {
        ABOVE: { description: 'Too much.' },
        BELOW: { description: 'Too little.' },
        BOTH: { description: 'Either; anomalies only.' },
      },
    }),
    AlertState: builder.enumType('AlertState', {
      description: 'How an alert stands.',
      values: { OK: { description: 'All is well.' }, FIRING: { description: 'It fired and is not over.' } },
    }),
    JobStatus: builder.enumType('JobStatus', {
      description: 'How far a job is.',
      values: {
        QUEUED: { description: 'It waits for a worker.' },
        RUNNING: { description: 'It is in work.' },
        SUCCEEDED: { description: 'It is done.' },
        FAILED: { description: 'It ended without a result.' },
      },
    }),
  };
}

export type CampaignsEnums = ReturnType<typeof addEnums>;
