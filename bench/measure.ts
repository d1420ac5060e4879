import type { Progress } from '../util/progress';
import type { Printed } from './ours/program';
import { runProgram, type Outcome } from './runProgram';
import type { Comparison, Program } from './suite';
import { summary, type Summary } from './summary';

/** A program after all rounds: its times put together, the last round's figures, or why there are none. */
export type Measured = { label: string } & ({ summary?: Summary; printed: Printed; peakBytes?: number } | { missing: string });

/** A comparison after all rounds. */
export interface MeasuredComparison {
  title: string;
  ours: Measured;
  peers: Measured[];
}

/** Runs one comparison's programs in turn, `rounds` times. One that cannot run is asked once. */
export async function measure(
  comparison: Comparison,
  rounds: number,
  progress: Progress,
  run: (side: 'ours' | 'peers', program: Program) => Promise<Outcome> = runProgram,
): Promise<MeasuredComparison> {
  const { title, ours, peers, missing } = comparison;
  const contestants = [{ side: 'ours' as const, program: ours }, ...peers.map((program) => ({ side: 'peers' as const, program }))];
  const collected = contestants.map(() => [] as Printed[]);
  const absent: (string | undefined)[] = contestants.map(() => missing);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { side, program }] of contestants.entries()) {
      progress({ stage: title, done: round * contestants.length + i, total: rounds * contestants.length, fields: { now: program.label } });
      if (absent[i] !== undefined) continue;
      const outcome = await run(side, program);
      if ('missing' in outcome) absent[i] = outcome.missing;
      else collected[i].push(outcome.printed);
    }
  }
  progress({ stage: title, done: rounds * contestants.length, total: rounds * contestants.length });
  const [first, ...rest] = contestants.map(({ program }, i) => gathered(program.label, collected[i], absent[i]));
  return { title, ours: first, peers: rest };
}

function gathered(label: string, printed: readonly Printed[], missing: string | undefined): Measured {
  const last = printed.at(-1);
  if (missing !== undefined || !last) return { label, missing: missing ?? 'it printed nothing' };
  const times = printed.flatMap(({ times_ms }) => times_ms);
  const peaks = printed.flatMap(({ peak_bytes }) => peak_bytes ?? []);
  return {
    label,
    printed: last,
    ...(times.length > 0 && { summary: summary(times) }),
    ...(peaks.length > 0 && { peakBytes: Math.max(...peaks) }),
  };
}
