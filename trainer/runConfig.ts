import { z } from 'zod';
import { engineOptions } from '../util/engineOptions';
import { byteCount } from '../util/byteCount';
import { UserError } from '../util/errors';
import { readText } from '../util/files';
import { allowed, flagName } from '../util/optionIssues';
import { nearest } from '../util/suggest';

const path = z.string().min(1);
const count = z.int().min(1);
const countOrNever = z.int().min(0);
const positive = z.number().positive();

/** Every option of a training run: type, bounds, default and help text stand here and nowhere else. */
export const runConfigSchema = z.strictObject({
  model: path.describe('model to train: a folder in Hugging Face layout, or owner/name[@revision] on the hub'),
  train: path.describe(
    'preference pairs to train on: JSONL, JSON, CSV, TSV or Parquet with prompt, chosen, rejected, or owner/name[:split] on the hub',
  ),
  eval: path.optional().describe('preference pairs to evaluate on, likewise'),
  output: path.describe('folder for config.json, metrics.jsonl, checkpoints/ and model/'),
  loss: z.enum(['sigmoid', 'hinge']).default('sigmoid').describe('preference loss'),
  beta: positive.default(0.1).describe('strength of the pull to the reference model'),
  learningRate: positive.default(1e-6).describe('learning rate after the warmup'),
  optimizer: z.enum(['rmsprop', 'adamw']).default('rmsprop').describe('optimizer, with the constants of PyTorch'),
  batchSize: count.default(8).describe('pairs a step'),
  epochs: count.default(1).describe('times over the training pairs'),
  maxSteps: count.optional().describe('stop after this many steps, whatever the epochs'),
  warmupSteps: countOrNever.default(0).describe('steps over which the learning rate rises from 0'),
  schedule: z
    .enum(['constant', 'linear'])
    .default('constant')
    .describe('learning rate after the warmup: kept, or falling to 0 at the last step'),
  maxGradNorm: positive.default(10).describe('gradients are scaled down to this norm'),
  loraRank: count.optional().describe('train a LoRA adapter of this rank in place of all weights'),
  loraAlpha: positive.optional().describe("LoRA: the adapter's factor is alpha / rank; by default twice the rank"),
  loraTargets: path
    .optional()
    .describe('LoRA: names or regular expressions of modules, separated by commas; by default all-linear, every linear layer but the head'),
  rslora: z.boolean().default(false).describe("LoRA: the adapter's factor is alpha / sqrt(rank)"),
  evalEverySteps: countOrNever.default(100).describe('steps between evaluations; 0: at the end alone'),
  saveEverySteps: countOrNever.default(500).describe('steps between checkpoints; 0: none but when interrupted'),
  keepCheckpoints: count.optional().describe('keep only this many checkpoints, the latest; all of them when not given'),
  maxShardSize: z
    .string()
    .refine((text) => byteCount(text) !== undefined, 'must be a size such as 500MB, 5GB or 2GiB')
    .default('5GB')
    .describe('largest file of saved weights: a larger model goes into several, with an index'),
  logEverySteps: count.default(1).describe('steps between lines of metrics.jsonl, each the mean over those steps'),
  seed: z.int().min(0).max(0xffffffff).default(0).describe("seed of the order of the pairs and of an adapter's first values"),
  ...engineOptions('tokenised data and reference log-probabilities'),
  resume: z.boolean().default(false).describe("go on from the output folder's last checkpoint, if there is one"),
  overwrite: z.boolean().default(false).describe('replace the run that the output folder holds'),
});

/** A training run's options, resolved. */
export type RunConfig = Readonly<z.output<typeof runConfigSchema>>;

export const runConfigKeys = Object.keys(runConfigSchema.shape) as (keyof RunConfig)[];

/**
 * Resolves a run's options: the config file's, overridden by the flags, then the defaults.
 * @param flags options by key; `undefined` where not given
 * @param file a YAML (or JSON) file of options, by key or by flag name; paths in it are relative to the working folder
 * @throws UserError that lists every problem with its flag
 */
export async function resolveRunConfig(flags: Readonly<Record<string, unknown>>, file?: string): Promise<RunConfig> {
  const fromFile = file === undefined ? {} : await readConfigFile(file);
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  // a flag that contradicts the file's choice takes its place
  if (given.resume === true && given.overwrite === undefined) delete fromFile.overwrite;
  if (given.overwrite === true && given.resume === undefined) delete fromFile.resume;
  const parsed = runConfigSchema.safeParse({ ...fromFile, ...given });
  if (!parsed.success) {
    const origin = (key: PropertyKey): string =>
      key in given || !(key in fromFile) ? `--${flagName(String(key))}` : `${file}: ${String(key)}`;
    throw new UserError(parsed.error.issues.flatMap((issue) => describe(issue, origin, { ...fromFile, ...given })).join('; '));
  }
  if (parsed.data.resume && parsed.data.overwrite) {
    throw new UserError('--resume goes on with the run in the output folder, --overwrite deletes it: give one of them');
  }
  return Object.freeze(parsed.data);
}

/** What is written to the run folder: everything but how this one call treats the folder. Reads back with `--config`. */
export function writtenConfig(config: RunConfig): Record<string, unknown> {
  const { resume: _resume, overwrite: _overwrite, ...rest } = config;
  return { version: 1, ...rest };
}

async function readConfigFile(file: string): Promise<Record<string, unknown>> {
  // loaded only where there is a file: --help answers at once
  const { parse } = require('yaml') as typeof import('yaml');
  let parsed: unknown;
  try {
    parsed = parse(await readText(file)) ?? {};
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file}: not valid YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new UserError(`${file}: want options as "name: value" lines`);
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === 'version') {
      if (value !== 1) throw new UserError(`${file}: version is ${JSON.stringify(value)}, this program reads version 1`);
      continue;
    }
    const key = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (key in options) throw new UserError(`${file}: ${name} is given twice`);
    options[key] = value;
  }
  return options;
}

/** A zod issue as clear text: which option, what was given, what is allowed. */
function describe(issue: z.core.$ZodIssue, origin: (key: PropertyKey) => string, given: Readonly<Record<string, unknown>>): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const guess = nearest(key, runConfigKeys);
      return `${origin(key)}: unknown option${guess ? `; did you mean ${flagName(guess)}?` : `; known: ${runConfigKeys.map(flagName).join(', ')}`}`;
    });
  }
  const key = issue.path[0];
  const value = given[String(key)];
  if (value === undefined) return [`${origin(key)} is missing`];
  const shown = typeof value === 'string' ? `"${value}"` : Number.isNaN(value) ? 'not a number' : JSON.stringify(value);
  return [`${origin(key)} is ${shown}: ${allowed(issue, value)}`];
}
