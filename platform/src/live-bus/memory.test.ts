import { describeLiveBusContract } from '../live-bus.contract.ts';
import { createMemoryLiveBus } from './memory.ts';

describeLiveBusContract('memory', async (options) => {
  const bus = createMemoryLiveBus(options);
  return { buses: [bus], dispose: () => bus.dispose() };
});
