import { openRelational } from './client.ts';
import { migrateRelational } from './migrate.ts';
const r = await openRelational({dataDir:'/tmp/killdata', postgresUrl:null});
await migrateRelational(r);
console.log('START', await r.client.tenant.count());
await r.dispose();
