/** Seeded random numbers (sfc32), so that a simulated world can be made again from its seed. Not for secrets. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [min, max]. */
  int(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  pickWeighted<T>(items: readonly T[], weightOf: (item: T) => number): T;
  /** Standard normal (Box–Muller). */
  normal(): number;
  logNormal(mu: number, sigma: number): number;
  exponential(mean: number): number;
  /** Poisson by inversion for small means, by a rounded normal above 50. */
  poisson(mean: number): number;
  /** `length` lower-case hex digits. */
  hex(length: number): string;
  uuid(): string;
  /** An independent stream named by a label: the same label gives the same stream. */
  fork(label: string): Random;
}

/** A stream for this seed text. The same text gives the same numbers on every machine. */
export function createRandom(seed: string): Random {
  const [a, b, c, d] = seedWords(seed);
  const next = sfc32(a, b, c, d);
  for (let i = 0; i < 12; i += 1) next();
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const hex = (length: number) => {
    let text = '';
    while (text.length < length)
      text += Math.floor(next() * 0x1_0000_0000)
        .toString(16)
        .padStart(8, '0');
    return text.slice(0, length);
  };
  return {
    next,
    int: (min, max) => min + Math.floor(next() * (max - min + 1)),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)]!,
    pickWeighted: (items, weightOf) => pickWeighted(items, weightOf, next),
    normal,
    logNormal: (mu, sigma) => Math.exp(mu + sigma * normal()),
    exponential: (mean) => -mean * Math.log(1 - next()),
    poisson: (mean) => poisson(mean, next, normal),
    hex,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
    fork: (label) => createRandom(`${seed}/${label}`),
  };
}

function seedWords(seed: string): [number, number, number, number] {
  const words: [number, number, number, number] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef];
  for (let i = 0; i < seed.length; i += 1) {
    const at = i & 3;
    words[at as 0 | 1 | 2 | 3] =
      Math.imul(words[at as 0 | 1 | 2 | 3] ^ seed.charCodeAt(i), 0x85ebca6b) ^
      (words[((at + 1) & 3) as 0 | 1 | 2 | 3] >>> 13);
  }
  return words;
}

function sfc32(a: number, b: number, c: number, d: number): () => number {
  let [x, y, z, counter] = [a | 0, b | 0, c | 0, d | 0];
  return () => {
    const sum = (((x + y) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    x = y ^ (y >>> 9);
    y = (z + (z << 3)) | 0;
    z = (z << 21) | (z >>> 11);
    z = (z + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
}

function pickWeighted<T>(items: readonly T[], weightOf: (item: T) => number, next: () => number): T {
  let left = next() * items.reduce((sum, item) => sum + weightOf(item), 0);
  for (const item of items) {
    left -= weightOf(item);
    if (left < 0) return item;
  }
  return items[items.length - 1]!;
}

function poisson(mean: number, next: () => number, normal: () => number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
  const floor = Math.exp(-mean);
  let count = 0;
  for (let product = next(); product > floor; product *= next()) count += 1;
  return count;
}
