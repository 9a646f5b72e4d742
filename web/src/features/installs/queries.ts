import { gql, type TypedDocumentNode } from 'urql';

export interface InstallListItem {
  readonly id: string;
  readonly installedAt: string;
  readonly country: string | null;
  readonly platform: string | null;
  readonly campaign: { readonly id: string; readonly name: string; readonly network: string | null } | null;
  readonly attribution: { readonly rule: string; readonly revision: number; readonly verdict: string } | null;
  readonly fraud: { readonly score: number; readonly verdict: 'CLEAN' | 'SUSPECT' | 'FRAUD' } | null;
}

export const installsQuery: TypedDocumentNode<
  { installs: { edges: { node: InstallListItem }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } },
  { appId: string; days: number; after: string | null }
> = gql`
  query Installs($appId: ID!, $days: Int!, $after: String) {
    installs(appId: $appId, range: { lastDays: $days }, first: 50, after: $after) {
      edges {
        node {
          id
          installedAt
          country
          platform
          campaign { id name network }
          attribution { rule revision verdict }
          fraud { score verdict }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export interface Decision {
  readonly revision: number;
  readonly decidedAt: string;
  readonly trigger: string;
  readonly verdict: string;
  readonly rule: string;
  readonly ctitSeconds: number | null;
  readonly explanation: string;
  readonly campaign: { readonly id: string; readonly name: string } | null;
  readonly candidates: readonly {
    readonly touchpointId: string;
    readonly kind: string;
    readonly occurredAt: string;
    readonly campaign: { readonly id: string; readonly name: string } | null;
    readonly matchKey: string;
    readonly eligible: boolean;
    readonly reason: string;
    readonly ctitSeconds: number;
    readonly windowHours: number;
    readonly explanation: string;
  }[];
}

export interface InstallDetail {
  readonly id: string;
  readonly installedAt: string;
  readonly country: string | null;
  readonly platform: string | null;
  readonly campaign: { readonly id: string; readonly name: string; readonly network: string | null } | null;
  readonly attribution: Decision | null;
  readonly history: readonly Pick<Decision, 'revision' | 'decidedAt' | 'trigger' | 'rule' | 'campaign'>[];
  readonly fraud: {
    readonly score: number;
    readonly verdict: 'CLEAN' | 'SUSPECT' | 'FRAUD';
    readonly reasons: readonly string[];
    readonly model: string;
    readonly modelVersion: string;
  } | null;
  readonly predictedLtv: {
    readonly value: { readonly amount: string; readonly currency: string };
    readonly horizonDays: number;
    readonly model: string;
  } | null;
}

export const installQuery: TypedDocumentNode<{ install: InstallDetail | null }, { id: string }> = gql`
  query Install($id: ID!) {
    install(id: $id) {
      id
      installedAt
      country
      platform
      campaign { id name network }
      attribution {
        revision
        decidedAt
        trigger
        verdict
        rule
        ctitSeconds
        explanation
        campaign { id name }
        candidates {
          touchpointId
          kind
          occurredAt
          campaign { id name }
          matchKey
          eligible
          reason
          ctitSeconds
          windowHours
          explanation
        }
      }
      history { revision decidedAt trigger rule campaign { id name } }
      fraud { score verdict reasons model modelVersion }
      predictedLtv { value { amount currency } horizonDays model }
    }
  }
`;
