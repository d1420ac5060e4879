import { currentEngine } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';

/** What every program of the benchmark is told besides its own options. */
export interface Common {
  device: string;
  precision: 'float32' | 'bf16';
  /** Measured runs, after `warmup` more. */
  runs: number;
  warmup: number;
}

/** What every program of the benchmark prints as its last line, in JSON. */
export interface Printed {
  times_ms: number[];
  /** Of the device on GPUs, of the process elsewhere. */
  peak_bytes?: number;
  versions: Record<string, string>;
  [figure: string]: unknown;
}

/** Reads the options that the command line gives as JSON over the program's defaults, and starts the torch engine. */
export async function startProgram<O extends Common>(defaults: O): Promise<O> {
  const options: O = { ...defaults, ...(JSON.parse(process.argv[2] ?? '{}') as Partial<O>) };
  const { device, precision } = options;
  await startEngine({ engine: 'torch', device, precision });
  return options;
}

/** What time is: the clock's on the wall, or what this process's threads spent on processors, which other programs hardly lengthen. */
export type Clock = 'wall' | 'processor';

/** Milliseconds of a clock. */
export function clockOf(clock: Clock): () => number {
  return clock === 'wall'
    ? () => performance.now()
    : () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1000;
      };
}

/**
 * Times `run`, which must leave nothing queued on the device when its promise is kept.
 * @returns milliseconds of each run after the warmup
 */
export async function timed(
  { runs, warmup, clock = 'wall' }: Pick<Common, 'runs' | 'warmup'> & { clock?: Clock },
  run: (place: number) => void | Promise<void>,
): Promise<number[]> {
  const now = clockOf(clock);
  const times: number[] = [];
  for (let place = 0; place < warmup + runs; place++) {
    // what building and warming up took at most is not the measured work's
    if (place === warmup) currentEngine().peakMemory?.();
    const began = now();
    await run(place);
    if (place >= warmup) times.push(now() - began);
  }
  return times;
}

/** Prints the line that bench.ts reads. */
export function printResult(times: number[], figures: Record<string, unknown> = {}): void {
  const engine = currentEngine();
  const peak = engine.peakMemory?.() ?? process.resourceUsage().maxRSS * 1024;
  const versions = { engine: engine.description, node: process.version };
  process.stdout.write(`${JSON.stringify({ times_ms: times, peak_bytes: peak, versions, ...figures } satisfies Printed)}\n`);
}
