import picomatch from 'picomatch';
import { z } from 'zod';
import { UserError } from '../util/errors';
import { nearest } from '../util/suggest';

/** Files of a dataset that hold rows, by their endings. */
const DATA = /\.(parquet|jsonl?|csv|tsv)$/i;

/** Words that name a split in a file's or a folder's name, as `datasets` knows them. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'dev', 'val'],
  test: ['test', 'testing', 'eval', 'evaluation'],
};

const SHARD = /^data\/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*$/;

const paths = z.union([z.string().transform((path) => [path]), z.array(z.string())]);
const dataFiles = z.union([
  paths.transform((path) => [{ split: 'train', path }]),
  z.array(z.object({ split: z.string(), path: paths })),
  z.record(z.string(), paths).transform((splits) => Object.entries(splits).map(([split, path]) => ({ split, path }))),
]);
/** The `configs` of a dataset card's front matter. */
const card = z.object({
  configs: z
    .array(
      z.object({
        config_name: z.string().default('default'),
        data_files: dataFiles.optional(),
        data_dir: z.string().optional(),
        default: z.boolean().optional(),
      }),
    )
    .min(1),
});

/** What is wrong with a repository without rows. */
export const NO_DATA = 'holds no data files in Parquet, JSON, CSV or TSV';

/** Whether a repository holds rows in a format that is read here. */
export function hasDataFiles(all: readonly string[]): boolean {
  return all.some((path) => DATA.test(path));
}

/** What is asked of a dataset. */
export interface WantedSplit {
  /** The dataset, for messages. */
  name: string;
  config?: string;
  split: string;
}

/**
 * The files of one split of a dataset repository, by the rules of Hugging Face `datasets`: what the card's `configs` say; else
 * `data/SPLIT-00000-of-00001.*`; else a split's name in the files' names, then in their folders'; else every data file is `train`.
 * @param frontMatter the YAML at the head of the card, parsed; undefined where there is none
 * @throws UserError naming the configurations or splits that there are
 */
export function chooseSplitFiles(all: readonly string[], frontMatter: unknown, wanted: WantedSplit): string[] {
  const data = all.filter((path) => DATA.test(path));
  const configs = card.safeParse(frontMatter);
  if (!configs.success) {
    if (wanted.config !== undefined && wanted.config !== 'default')
      throw new UserError(`${wanted.name} has no configurations to choose from; ask for ${wanted.name}:${wanted.split}`);
    return chosen(bySplitNames(data), wanted);
  }
  const config = chooseConfig(configs.data.configs, wanted);
  const folder = config.data_dir === undefined ? '' : `${config.data_dir.replace(/^\.?\/+|\/+$/g, '')}/`;
  const within = data.filter((path) => path.startsWith(folder));
  if (config.data_files === undefined) return chosen(bySplitNames(within), wanted);
  const splits = new Map<string, string[]>();
  for (const { split, path } of config.data_files) {
    const matches = path.map((pattern) => picomatch(`${folder}${pattern.replace(/^\.\//, '')}`, { dot: true }));
    splits.set(split, [...(splits.get(split) ?? []), ...data.filter((file) => matches.some((match) => match(file)))]);
  }
  return chosen(splits, wanted);
}

/** Whether a file of the hub's own copy is of a split that it holds only the beginning of, since it is too large. */
export const isBeginning = (path: string): boolean => /^[^/]+\/partial-[^/]+\/\d+\.parquet$/.test(path);

/**
 * The files of one split in the hub's own Parquet copy of a dataset (branch `refs/convert/parquet`): `CONFIG/SPLIT/0000.parquet`.
 * @throws UserError naming the configurations or splits that there are
 */
export function chooseConvertedFiles(all: readonly string[], wanted: WantedSplit): string[] {
  const parts = all.flatMap((path) => {
    const found = /^([^/]+)\/(?:partial-)?([^/]+)\/\d+\.parquet$/.exec(path);
    return found ? [{ path, config_name: found[1], split: found[2] }] : [];
  });
  const names = [...new Set(parts.map(({ config_name }) => config_name))];
  const { config_name: config } = chooseConfig(
    names.map((config_name) => ({ config_name })),
    wanted,
  );
  const splits = new Map<string, string[]>();
  for (const part of parts) if (part.config_name === config) splits.set(part.split, [...(splits.get(part.split) ?? []), part.path]);
  return chosen(splits, wanted);
}

function chooseConfig<C extends { config_name: string; default?: boolean }>(
  configs: readonly C[],
  { name, config, split }: WantedSplit,
): C {
  const found =
    config === undefined
      ? (configs.find((one) => one.default) ?? configs.find((one) => one.config_name === 'default') ?? (configs.length === 1 && configs[0]))
      : configs.find((one) => one.config_name === config);
  if (found) return found;
  const names = configs.map(({ config_name }) => config_name);
  if (names.length === 0) throw new UserError(`${name} ${NO_DATA}`);
  if (config === undefined)
    throw new UserError(`${name} has several configurations: ask for ${name}:CONFIG/${split}, CONFIG being one of ${names.join(', ')}`);
  const guess = nearest(config, names);
  throw new UserError(
    `${name} has no configuration "${config}"${guess ? `; did you mean ${guess}?` : ''} (there are: ${names.join(', ')})`,
  );
}

function bySplitNames(data: readonly string[]): Map<string, string[]> {
  const sharded = grouped(data, (path) => SHARD.exec(path)?.[1]);
  if (sharded.size > 0) return sharded;
  const inName = grouped(data, (path) => keywordIn(path.slice(path.lastIndexOf('/') + 1)));
  if (inName.size > 0) return inName;
  const inFolder = grouped(data, (path) => keywordIn(path.slice(0, path.lastIndexOf('/') + 1)));
  if (inFolder.size > 0) return inFolder;
  return data.length > 0 ? new Map([['train', [...data]]]) : new Map<string, string[]>();
}

function grouped(data: readonly string[], splitOf: (path: string) => string | undefined): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const path of data) {
    const split = splitOf(path);
    if (split !== undefined) groups.set(split, [...(groups.get(split) ?? []), path]);
  }
  return groups;
}

/** The split that a name speaks of: a keyword between separators or at an end. */
function keywordIn(name: string): string | undefined {
  return Object.keys(KEYWORDS).find((split) => new RegExp(`(^|[-._ 0-9/])(${KEYWORDS[split].join('|')})([-._ 0-9/]|$)`).test(name));
}

function chosen(splits: ReadonlyMap<string, readonly string[]>, { name, config, split }: WantedSplit): string[] {
  const files = splits.get(split);
  if (files && files.length > 0) return [...files].sort();
  const names = [...splits].flatMap(([one, held]) => (held.length > 0 ? [one] : []));
  if (names.length === 0) throw new UserError(`${name}${config === undefined ? '' : `, ${config},`} ${NO_DATA}`);
  throw new UserError(`${name} has no split "${split}" (there are: ${names.join(', ')})`);
}
