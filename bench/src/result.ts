import { cpus, totalmem } from 'node:os';

export type Runtime = 'node' | 'bun';

export interface BenchOptions {
  /** At most 3 minutes once the data set lies there. */
  readonly quick: boolean;
  /** What the collector's server runs on. Default `node`. */
  readonly runtime?: Runtime;
  /** Progress; goes to standard error. */
  readonly log: (line: string) => void;
}

export interface Figure {
  readonly value: number;
  readonly unit: string;
}

/** What a benchmark finds. Ceiling and peer are measured in the same run on the same inputs. */
export interface BenchResult {
  readonly name: string;
  readonly figures: Readonly<Record<string, Figure>>;
  readonly against: Readonly<Record<string, Figure>>;
  readonly ratios: Readonly<Record<string, number>>;
}

/** The line that `--json` prints last. */
export function jsonLine(result: BenchResult): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 1024 ** 3)} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}`;
  return JSON.stringify({
    name: result.name,
    at: new Date().toISOString(),
    machine,
    figures: result.figures,
    against: result.against,
    ratios: result.ratios,
  });
}
