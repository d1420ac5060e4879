import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../util/errors';
import { fileError, writeAtomic } from '../util/files';
import { compareRuns, type Comparison } from './comparison';
import { htmlReport } from './html';
import { markdownReport } from './markdown';
import { readRun, runNames } from './readRun';

export interface ReportOptions {
  /** Folder for report.json, report.md and report.html; made where it is missing. */
  output: string;
  /** Whether to replace a report that is there. */
  overwrite: boolean;
}

const FILES = ['report.json', 'report.md', 'report.html'] as const;

/**
 * Compares evaluations and writes report.json, report.md and report.html. Everything is computed before the first file is written.
 * @param base, tuned output folders of dpo-eval
 * @throws UserError for a folder that cannot be read, runs that cannot be compared, or an output folder that holds a report
 */
export async function writeReport(base: string, tuned: readonly string[], options: ReportOptions): Promise<Comparison> {
  for (const file of FILES) {
    const path = join(options.output, file);
    if (!options.overwrite && (await exists(path)))
      throw new UserError(`${path} exists; give another --output, or --overwrite to replace it`);
  }
  const folders = [base, ...tuned];
  const names = runNames(folders);
  const [first, ...others] = await Promise.all(folders.map((folder, i) => readRun(folder, names[i])));
  const comparison = compareRuns(first, others);
  const contents = [
    `${JSON.stringify(comparison, null, 2)}\n`,
    markdownReport(comparison, first, others),
    htmlReport(comparison, first, others),
  ];
  for (const [i, file] of FILES.entries()) await writeAtomic(join(options.output, file), contents[i]);
  return comparison;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fileError(error, 'read', path);
  }
}
