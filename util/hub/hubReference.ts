import { existsSync } from 'node:fs';

/** A repository on the hub at a revision. */
export interface HubRepo {
  kind: 'model' | 'dataset';
  /** `owner/name`. */
  name: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

/** A split of a dataset on the hub, of one of its configurations where it has several. */
export interface HubSplit extends HubRepo {
  kind: 'dataset';
  config?: string;
  split: string;
}

// the hub's own rule for names: letters, digits, - _ . on both sides of one slash, neither side starting or ending with - or .
const PART = '[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?';
const NAME = `${PART}/${PART}`;
const REVISION = '(?:@([^\\s:@]+))?';
const MODEL = new RegExp(`^(${NAME})${REVISION}$`);
const DATASET = new RegExp(`^(${NAME})${REVISION}(?::(?:([^\\s:/]+)/)?([^\\s:/]+))?$`);

const DATA_FILE = /\.(jsonl?|csv|tsv|txt|parquet|arrow)$/i;

/**
 * Reads `owner/name[@revision]`. What exists on the disk is never taken for a name on the hub, as in transformers.
 * @returns undefined where the text names a local path, or cannot be a name
 */
export function hubModel(text: string): HubRepo | undefined {
  const parts = existsSync(text) ? null : MODEL.exec(text);
  return parts ? { kind: 'model', name: parts[1], revision: parts[2] ?? 'main' } : undefined;
}

/**
 * Reads `owner/name[@revision][:[config/]split]`; without a split, `train`, as TRL's `dataset_train_split`.
 * @returns undefined where the text names a local path, a data file by its ending, or cannot be a name
 */
export function hubSplit(text: string): HubSplit | undefined {
  const parts = existsSync(text) || DATA_FILE.test(text) ? null : DATASET.exec(text);
  if (!parts) return undefined;
  const [, name, revision, config, split] = parts;
  return { kind: 'dataset', name, revision: revision ?? 'main', split: split ?? 'train', ...(config !== undefined && { config }) };
}

/** How people read a repository: `owner/name`, with the revision where it is not `main`. */
export function repoText({ name, revision }: HubRepo): string {
  return revision === 'main' ? name : `${name}@${revision}`;
}
