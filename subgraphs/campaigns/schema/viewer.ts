import type { SubgraphKit } from '../../src/kit.ts';
import { reachOf } from '../loaders.ts';
import { notFound, type SchemaDeps } from './types.ts';

interface ViewerFacts {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly keyId: string;
  readonly scopes: readonly string[];
}

/** `Query.viewer`: needs no scope, since it says nothing but who asks. */
export function addViewer({ builder }: SubgraphKit, { catalogue }: SchemaDeps): void {
  const Viewer = builder.objectRef<ViewerFacts>('Viewer').implement({
    description: 'Who asks.',
    fields: (t) => ({
      tenantId: t.exposeID('tenantId', { description: 'The organisation that the key belongs to.' }),
      tenantName: t.exposeString('tenantName', { description: 'Its name.' }),
      keyId: t.exposeID('keyId', { description: 'Id of the key, not the key.' }),
      scopes: t.exposeStringList('scopes', { description: 'What the key may do, e.g. `read:reports`.' }),
    }),
  });
  builder.queryField('viewer', (t) =>
    t.field({
      type: Viewer,
      description: 'Who asks: the tenant and the key.',
      resolve: async (_root, _args, context) => {
        const { tenantId, keyId, scopes } = context.caller;
        const tenant = await catalogue.readTenant(reachOf(context));
        if (!tenant) throw notFound('tenant', tenantId);
        return { tenantId, tenantName: tenant.name, keyId, scopes };
      },
    }),
  );
}
