import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';

/**
 * What tells one process from every other that had or will have its number: the number itself, when it started, and
 * the PID namespace in which both are meant (containers each have their own).
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process only. Empty where the system does not tell. */
  readonly startedAt: string;
  /** Opaque; empty where there are no namespaces. */
  readonly namespace: string;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: startOf(process.pid) ?? '', namespace: ownNamespace() };
}

/**
 * Whether that very process still runs: `unknown` for one of another PID namespace, whose number means nothing here.
 * A zombie (ended, not yet collected by its parent) has ended.
 */
export function livenessOf(identity: ProcessIdentity): 'running' | 'ended' | 'unknown' {
  if (identity.namespace !== ownNamespace()) return 'unknown';
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it is there, but belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return 'ended';
  }
  const startedAt = startOf(identity.pid);
  if (startedAt === null) return 'ended';
  return startedAt === '' || identity.startedAt === '' || startedAt === identity.startedAt ? 'running' : 'ended';
}

/** Start of a process; `null` when it has ended, empty when the system does not tell. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name (2nd field) may hold blanks and parentheses, so count from its end: state is next, start time the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? '');
  } catch {
    return startByPs(pid);
  }
}

/** For systems without /proc (macOS). */
function startByPs(pid: number): string | null {
  try {
    const [state = '', ...start] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
      .trim()
      .split(/\s+/);
    return state.startsWith('Z') ? null : start.join(' ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? '' : null;
  }
}

function ownNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
