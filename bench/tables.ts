import { markdownTable } from './markdown';
import type { Printed } from './ours/program';
import type { Measured, MeasuredComparison } from './measure';
import { rooflineMs, type Peaks, type StepWork } from './roofline';
import type { SelfTime } from './profiler/selfTimes';
import { shown, shownBytes } from './summary';

const times = (measured: Measured): string =>
  'missing' in measured || !measured.summary ? '–' : `${shown(measured.summary.min)}, ${shown(measured.summary.median)}`;

const memory = (measured: Measured): string =>
  'missing' in measured || measured.peakBytes === undefined ? '–' : shownBytes(measured.peakBytes);

/** Peer's time over ours, minimum against minimum and median against median. */
function ratios(ours: Measured, peer: Measured): string {
  if ('missing' in ours || 'missing' in peer || !ours.summary || !peer.summary) return '–';
  return `${shown(peer.summary.min / ours.summary.min)}, ${shown(peer.summary.median / ours.summary.median)}`;
}

/** What was not measured, a line each. */
function missingLines(measured: readonly MeasuredComparison[]): string[] {
  const lines = measured.flatMap(({ ours, peers }) =>
    [ours, ...peers].flatMap((one) => ('missing' in one ? [`Not measured: ${one.label}: ${one.missing}.`] : [])),
  );
  return [...new Set(lines)];
}

/** A table of comparisons: minimum and median in milliseconds, ratios, peaks of memory; and below it what was not measured. */
export function comparisonTable(measured: readonly MeasuredComparison[]): string {
  const rows = measured.flatMap(({ title, ours, peers }) =>
    (peers.length > 0 ? peers : [undefined]).map((peer) => [
      title,
      times(ours),
      peer ? peer.label : '–',
      peer ? times(peer) : '–',
      peer ? ratios(ours, peer) : '–',
      memory(ours),
      peer ? memory(peer) : '–',
    ]),
  );
  const head = ['work', 'dpo-trainer, ms', 'peer', 'peer, ms', 'ratio', 'memory', "peer's memory"];
  return [markdownTable(head, rows), ...missingLines(measured)].join('\n\n');
}

/** Each measured step against the time below which the device cannot do its work. */
export function rooflineTable(measured: readonly MeasuredComparison[], peaks: Peaks): string {
  const rows = measured.flatMap(({ title, ours }) => {
    if ('missing' in ours || !ours.summary || !ours.printed.work) return [];
    const work = ours.printed.work as StepWork;
    const least = rooflineMs(work, peaks);
    const share = `${Math.round((100 * least) / ours.summary.median)} %`;
    return [[title, shown(work.flops / 1e9), shown(work.bytes / 1e6), shown(least), shown(ours.summary.median), share]];
  });
  const said = `Measured in the same session: ${shown(peaks.flopsPerSecond / 1e9)} GFLOP/s in a large matrix product, ${shown(peaks.bytesPerSecond / 1e9)} GB/s in a copy.`;
  return [said, markdownTable(['step', 'products, GFLOP', "optimizer's traffic, MB", 'roofline, ms', 'median, ms', 'share'], rows)].join(
    '\n\n',
  );
}

interface Part {
  name: string;
  ms: number;
  count?: number;
}

/** One step by layer and by kernel. */
export function profileTables({ title, ours }: MeasuredComparison): string {
  if ('missing' in ours) return `Not measured: ${title}: ${ours.missing}.`;
  const { parts, kernels, kernelsMs, overheadMicroseconds, warmOverheadMicroseconds } = ours.printed as unknown as {
    parts: Part[];
    kernels: SelfTime[];
    kernelsMs: number;
    overheadMicroseconds: number;
    warmOverheadMicroseconds: number;
  };
  const percent = (ms: number, whole: number): string => `${((100 * ms) / whole).toFixed(1)} %`;
  const whole = parts.reduce((sum, { ms }) => sum + ms, 0);
  return [
    `${title}: ${shown(whole)} ms a step, of which the engine's TypeScript takes ${shown(overheadMicroseconds)} µs an operation; in a model so small ` +
      `that nothing displaces it from the processor's caches, ${shown(warmOverheadMicroseconds)}.`,
    markdownTable(
      ['layer', 'calls', 'ms', 'share'],
      parts.map(({ name, ms, count }) => [name, count === undefined ? '' : shown(count), shown(ms), percent(ms, whole)]),
    ),
    'By kernel, from another step under libtorch’s profiler, each without the kernels that it calls:',
    markdownTable(
      ['kernel', 'calls', 'ms', 'share'],
      kernels.map(({ name, count, ms }) => [`\`${name.slice(0, 70)}\``, String(count), shown(ms), percent(ms, kernelsMs)]),
    ),
  ].join('\n\n');
}

/** Least times, largest memory, and their ratios. */
export function estimatesTable(measured: readonly { title: string; estimates: readonly Printed[]; steps: readonly Printed[] }[]): string {
  const rows = measured.map(({ title, estimates, steps }) => {
    const [guess, truth] = [estimates, steps].map((list) => Math.min(...list.flatMap(({ times_ms }) => times_ms)));
    const [peak, growth] = [Number(estimates[0].peak), Math.max(...steps.map((one) => Number(one.growth)))];
    return [
      title,
      shown(guess),
      shown(truth),
      (guess / truth).toFixed(2),
      shown(peak / 1e6),
      shown(growth / 1e6),
      (peak / growth).toFixed(2),
    ];
  });
  return markdownTable(['a step of', 'estimated, ms', 'real, ms', 'ratio', 'estimated, MB', 'real, MB', 'ratio'], rows);
}
