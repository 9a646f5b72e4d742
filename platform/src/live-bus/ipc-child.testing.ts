/** A child that repeats on the bus what it hears: version n from outside becomes version −n. Ends when told version 0. */
import { openIpcLiveBus } from './ipc.ts';

const bus = openIpcLiveBus();
await bus.subscribe('directory.changed', ({ version }) => {
  if (version > 0) bus.publish('directory.changed', { version: -version });
  if (version === 0) {
    void bus.dispose();
    process.disconnect();
  }
});
process.send!('listening');
