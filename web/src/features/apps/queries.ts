import { gql, type TypedDocumentNode } from 'urql';

export interface AppSummary {
  readonly id: string;
  readonly name: string;
  readonly platform: string;
  readonly currency: string;
  readonly timezone: string;
}

export const appsQuery: TypedDocumentNode<{ apps: AppSummary[] }, Record<string, never>> = gql`
  query Apps {
    apps {
      id
      name
      platform
      currency
      timezone
    }
  }
`;
