import { readFileSync } from 'node:fs';

/** CPU time of a process so far, user and system, of all its threads, in ms. Steps of 10 ms; 0 where there is no /proc. */
export function processCpuMs(pid: number): number {
  try {
    // The name in brackets may hold spaces; fields 14 and 15 are ticks of 1/100 s.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}
