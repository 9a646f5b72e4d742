/** A process that takes the lock of a data directory, says so and stays until it is killed. Argument: directory. */
import { lockDataDir } from './data-dir-lock.ts';

await lockDataDir(process.argv[2] ?? '');
console.log('locked');
setInterval(() => undefined, 60_000);
