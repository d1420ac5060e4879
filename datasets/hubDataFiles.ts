import { basename, join } from 'node:path';
import { UserError } from '../util/errors';
import { readText } from '../util/files';
import { repoText, type HubSplit } from '../util/hub/hubReference';
import { NoSuchRevision } from '../util/hub/hubClient';
import { hubSnapshot, type SnapshotOptions } from '../util/hub/hubSnapshot';
import { chooseConvertedFiles, chooseSplitFiles, hasDataFiles, isBeginning, NO_DATA } from './chooseSplitFiles';

/** The branch on which the hub keeps its own Parquet copy of a dataset. */
const CONVERTED = 'refs/convert/parquet';

/**
 * Brings the files of a dataset's split into the hub's cache. A repository without data files in a format that is read here
 * (one with a loading script, or in archives) is read from the Parquet copy that the hub makes of it.
 * @returns their paths, in the order of their rows
 * @throws UserError naming the configurations or splits that there are; whatever `hubSnapshot` throws
 */
export async function hubDataFiles(wanted: HubSplit, options: SnapshotOptions): Promise<string[]> {
  const { config, split } = wanted;
  const asked = { name: repoText(wanted), split, ...(config !== undefined && { config }) };
  // the card first: it says which files are a split's. Then the same commit again, whatever is pushed meanwhile
  let own = false;
  const card = await hubSnapshot(
    wanted,
    (paths) => {
      own = hasDataFiles(paths);
      return paths.filter((path) => path === 'README.md');
    },
    options,
  );
  if (!own && wanted.revision !== 'main')
    throw new UserError(`${asked.name} ${NO_DATA}, and the hub's Parquet copy is of main alone: leave @${wanted.revision} out for that`);
  const repo = own ? { ...wanted, revision: basename(card) } : { ...wanted, revision: CONVERTED };
  const frontMatter = own ? await readFrontMatter(join(card, 'README.md')) : undefined;
  let files: string[] = [];
  const choose = (paths: readonly string[]): string[] =>
    (files = own ? chooseSplitFiles(paths, frontMatter, asked) : chooseConvertedFiles(paths, asked));
  const folder = await hubSnapshot(repo, choose, options).catch((error: unknown) => {
    if (own || !(error instanceof NoSuchRevision)) throw error;
    throw new UserError(`${asked.name} ${NO_DATA}, and the hub has made no Parquet copy of it`);
  });
  if (!own && files.some(isBeginning)) options.say(`the hub's Parquet copy of ${asked.name} holds only the beginning of ${split}`);
  return files.map((path) => join(folder, path));
}

/** The YAML between the two `---` lines at the head of a dataset card; undefined where there is none. */
async function readFrontMatter(path: string): Promise<unknown> {
  const text = await readText(path).catch((error: unknown) => {
    if (error instanceof UserError) return '';
    throw error;
  });
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  if (yaml === undefined) return undefined;
  const { parse } = await import('yaml');
  try {
    return parse(yaml);
  } catch (error) {
    throw new UserError(`${path}: the YAML at its head is not valid: ${(error as Error).message.split('\n')[0]}`);
  }
}
