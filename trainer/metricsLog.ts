import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileError, writeAtomic } from '../util/files';

/** A line of metrics.jsonl: `step`, then figures under TRL's names. */
export type MetricsLine = Readonly<{ step: number } & Record<string, number>>;

export interface MetricsLog {
  append(line: MetricsLine): void;
}

/**
 * Opens metrics.jsonl to append to. Lines after `lastStep` (a resumed run computes them again), and a line that an interrupted write
 * left incomplete, are cut first.
 * @param lastStep the step that the run goes on from; 0 starts an empty file
 * @throws UserError naming the file when it cannot be written
 */
export async function openMetricsLog(path: string, lastStep: number): Promise<MetricsLog> {
  const kept = lastStep === 0 ? [] : (await existingLines(path)).filter((line) => (stepOf(line) ?? Infinity) <= lastStep);
  await writeAtomic(path, kept.map((line) => `${line}\n`).join(''));
  return {
    append: (line) => {
      try {
        // one write call a line: a killed run leaves whole lines
        appendFileSync(path, `${JSON.stringify(line)}\n`);
      } catch (error) {
        throw fileError(error, 'write', path);
      }
    },
  };
}

async function existingLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, 'read', path);
  }
}

function stepOf(line: string): number | undefined {
  try {
    return (JSON.parse(line) as { step?: number }).step;
  } catch {
    return undefined;
  }
}
