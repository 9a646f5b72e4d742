import { jest } from '@jest/globals';
import { openIsolationWorld, type IsolationWorld } from './isolation-world.testing.ts';
import { openIsolationProduct } from './isolation-product.testing.ts';
import { askOf } from './isolation-ask.testing.ts';
jest.setTimeout(120_000);
it('opens', async () => {
  const t = Date.now();
  const world: IsolationWorld = await openIsolationWorld();
  console.log('world', Date.now() - t, JSON.stringify(world.tenants.a));
  const product = await openIsolationProduct(world.stores);
  console.log('product', Date.now() - t);
  const a = world.tenants.a;
  for (const key of [a.adminKey, a.partnerKeys['1']]) {
    const ask = askOf(product.url, key);
    console.log((await ask(`{ viewer { tenantName } apps { id name metrics(range: {lastDays: 2}) { events revenue { amount } } } installs(appId: "${a.appId}", range: {lastDays:2}, first: 3) { edges { cursor node { id campaign { name } fraud { modelVersion } predictedLtv { value { amount } } attribution { candidates { touchpointId } } } } } report(appIds: ["${a.appId}"], range: {lastDays: 2}, metrics: [EVENTS, REVENUE, COST, CONVERSION_VALUE, INSTALLS], dimensions: [CAMPAIGN]) { edges { node { campaign { name } events revenue { amount } cost { amount } installs conversionValue { amount } } } } }`)).text);
    console.log((await ask('{ __schema { types { name } } }')).text.slice(0, 200));
  }
  await product.dispose();
  await world.dispose();
});
