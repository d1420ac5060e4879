/** A set of most probable tokens, as it can be drawn from without ever having been sorted as a whole. */
export interface Nucleus {
  /** The sum of its tokens' probabilities. */
  total: number;
  candidates: Candidates;
  /** Buckets that hold tokens of it, most probable first, with the running sum of their probabilities. */
  buckets: { bucket: number; until: number }[];
  /** How many tokens of the last bucket are in it. */
  inLast: number;
}

/** Probabilities to choose from. */
export interface Candidates {
  probabilities: Float32Array;
  /** The token at a place of `probabilities`. */
  tokenOf: (place: number) => number;
  /** Only what is more probable counts. */
  least: number;
}

/** A bucket holds probabilities alike in exponent and the first bits of the fraction: no two differ by more than 1/32. */
const SHIFT = 18;
const BUCKETS = (0x3f800000 >>> SHIFT) + 2;
/** A sorting key is a value's 32 bits, negated, and then the token's 21: together a whole number that a double holds. */
const TOKEN_RANGE = 2 ** 21;

const masses = new Float64Array(BUCKETS);

/**
 * The smallest set of most probable tokens (equal ones by id) that holds `topP`, found in time linear in the candidates: their sums
 * by bucket tell the bucket in which the set ends, and that bucket alone is sorted.
 * @param whole whether the candidates are all tokens there are; then rounding may leave `topP` out of reach, and every token is in
 * @returns undefined where the candidates hold too little
 */
export function nucleusOf(candidates: Candidates, topP: number, whole: boolean): Nucleus | undefined {
  const { probabilities, least } = candidates;
  const bits = bitsOf(probabilities);
  masses.fill(0);
  for (let i = 0; i < probabilities.length; i++) if (probabilities[i] > least) masses[bits[i] >>> SHIFT] += probabilities[i];
  const buckets: Nucleus['buckets'] = [];
  let sum = 0;
  for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
    if (masses[bucket] === 0) continue;
    const before = sum;
    sum += masses[bucket];
    buckets.push({ bucket, until: sum });
    if (sum < topP) continue;
    let inLast = 0;
    let total = before;
    const keys = orderedKeys(candidates, bucket);
    while (inLast < keys.length && total < topP) total += probabilityOf(keys[inLast++]);
    return { total, candidates, buckets, inLast };
  }
  return whole ? { total: sum, candidates, buckets, inLast: Infinity } : undefined;
}

/** Draws from nuclei by the inverse of their distribution functions, most probable tokens first. @param uniforms in [0, 1) */
export function drawTokens(nucleus: Nucleus, uniforms: readonly number[]): number[] {
  const { total, candidates, buckets, inLast } = nucleus;
  const sorted = new Map<number, Float64Array>();
  return uniforms.map((uniform) => {
    const target = uniform * total;
    const found = buckets.findIndex(({ until }) => until > target);
    const place = found < 0 ? buckets.length - 1 : found;
    const { bucket } = buckets[place];
    const keys = sorted.get(bucket) ?? orderedKeys(candidates, bucket);
    sorted.set(bucket, keys);
    const last = Math.min(keys.length, place === buckets.length - 1 ? inLast : Infinity) - 1;
    let sum = place === 0 ? 0 : buckets[place - 1].until;
    let i = 0;
    while (i < last && (sum += probabilityOf(keys[i])) <= target) i++;
    return keys[i] % TOKEN_RANGE;
  });
}

/** Every token of a nucleus, most probable first, with the running sum of their probabilities. */
export function listNucleus({ candidates, buckets, inLast }: Nucleus): { tokens: number[]; cumulative: number[] } {
  const keys = buckets.flatMap(({ bucket }, i) => {
    const all = [...orderedKeys(candidates, bucket)];
    return i === buckets.length - 1 ? all.slice(0, inLast) : all;
  });
  let sum = 0;
  return { tokens: keys.map((key) => key % TOKEN_RANGE), cumulative: keys.map((key) => (sum += probabilityOf(key))) };
}

/** The candidates in a bucket as keys that sort the most probable first, equal ones by id. */
function orderedKeys({ probabilities, tokenOf, least }: Candidates, bucket: number): Float64Array {
  const bits = bitsOf(probabilities);
  const keys: number[] = [];
  for (let i = 0; i < bits.length; i++)
    if (bits[i] >>> SHIFT === bucket && probabilities[i] > least) keys.push((2 ** 32 - 1 - bits[i]) * TOKEN_RANGE + tokenOf(i));
  return Float64Array.from(keys).sort();
}

const float = new Float32Array(1);
const floatBits = bitsOf(float);

function probabilityOf(key: number): number {
  floatBits[0] = 2 ** 32 - 1 - Math.floor(key / TOKEN_RANGE);
  return float[0];
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
