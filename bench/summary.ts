/** What is kept of a program's timed runs, in milliseconds. */
export interface Summary {
  runs: number;
  min: number;
  median: number;
}

/** @throws for no times at all: a bug of ours */
export function summary(times: readonly number[]): Summary {
  if (times.length === 0) throw new Error('internal: nothing was timed');
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { runs: sorted.length, min: sorted[0], median };
}

/** A number as tables show it: three significant digits, no exponent. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toPrecision(3)).toFixed(Math.min(digits, 6));
}

/** Bytes as MiB or GiB. */
export function shownBytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${shown(bytes / 2 ** 20)} MiB` : `${shown(bytes / 2 ** 30)} GiB`;
}
