import { openRedisCache } from './src/cache/redis.ts';
const t0 = Date.now();
const c = await openRedisCache({url: process.argv[2]!});
await c.get('x');
await c.dispose();
console.log(Date.now()-t0, process.getActiveResourcesInfo());
process.on('exit', () => console.log('exit', Date.now()-t0));
