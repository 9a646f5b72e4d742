import { readdir, readFile } from 'node:fs/promises';
import { processCpuMs } from './process-cpu.ts';

/** A process of the family at a moment, from /proc (Linux). */
export interface ProcessUsage {
  /** Its roles. */
  readonly name: string;
  readonly pid: number;
  /** Resident memory; pages that processes share are divided among them. */
  readonly rssMb: number;
  /** Of that the mapped file of the event log: page cache, which the system takes back when it needs it. */
  readonly logMb: number;
  /** Pages that are the process's own. */
  readonly ownMb: number;
  readonly cpuMs: number;
}

/** A process and all its descendants. */
export async function familyUsage(pid: number): Promise<readonly ProcessUsage[]> {
  const [rollup, command, tasks] = await Promise.all([
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''),
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    readdir(`/proc/${pid}/task`).catch(() => []),
  ]);
  const name = /--role\0([^\0]+)/.exec(command)?.[1] ?? (command.includes('simulate') ? 'simulator' : String(pid));
  const usage = {
    name,
    pid,
    rssMb: mbOf(rollup, 'Pss'),
    ownMb: mbOf(rollup, 'Pss_Anon'),
    logMb: /collector|consumer/.test(name) ? await mappedLogMb(pid) : 0,
    cpuMs: processCpuMs(pid),
  };
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  );
  const children = lists.join(' ').split(' ').filter(Boolean).map(Number);
  const below = await Promise.all(children.map(familyUsage));
  return [usage, ...below.flat()];
}

/** Sum of a field of smaps. */
const mbOf = (smaps: string, field: string): number =>
  [...smaps.matchAll(new RegExp(`^${field}:\\s+(\\d+)`, 'gm'))].reduce((sum, [, kb]) => sum + Number(kb), 0) / 1_024;

/** Of an event log that is mapped into memory. 0 where /proc is not there. */
export async function mappedLogMb(pid: number): Promise<number> {
  const smaps = await readFile(`/proc/${pid}/smaps`, 'utf8').catch(() => '');
  return smaps
    .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    .filter((mapping) => /\.mdb$/.test(mapping.split('\n', 1)[0] ?? ''))
    .reduce((sum, mapping) => sum + mbOf(mapping, 'Pss'), 0);
}

export interface Memory {
  /** Without the mapped file of the event log. */
  readonly rssMb: number;
  readonly logMb: number;
  readonly ownMb: number;
}

export const memoryOf = (family: readonly ProcessUsage[]): Memory => ({
  rssMb: Math.round(family.reduce((sum, one) => sum + one.rssMb - one.logMb, 0)),
  logMb: Math.round(family.reduce((sum, one) => sum + one.logMb, 0)),
  ownMb: Math.round(family.reduce((sum, one) => sum + one.ownMb, 0)),
});
