'use client';

import { WithApp } from '../apps/with-app.tsx';
import { ApiAccess } from './api-access.tsx';

export function ApiAccessPage() {
  return <WithApp>{(app) => <ApiAccess appId={app.id} />}</WithApp>;
}
