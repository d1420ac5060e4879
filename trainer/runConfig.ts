import { UserError } from '../util/errors';
import { readText } from '../util/files';
import { flagName, optionIssues } from '../util/optionIssues';
import { refuseIdleLossOptions } from './lossOptions';
import { presetOptions } from './presets';
import { runConfigKeys, runConfigSchema, type RunConfig } from './runOptions';

export { runConfigKeys, runConfigSchema, type RunConfig };

/** Options of which one alone can be given. */
const RIVALS = [
  ['resume', 'overwrite'],
  ['eval', 'evalFraction'],
  ['warmupSteps', 'warmupRatio'],
] as const;
/** Options that list several things in one text, which a file may give as a list. */
const LISTS = ['loss', 'lossWeights', 'loraTargets', 'loraModulesToSave'];

/**
 * Resolves a run's options: the flags', then the config file's, then the preset's, then the defaults.
 * @param flags options by key; `undefined` where not given
 * @param file a YAML (or JSON) file of options, by key or by flag name; paths in it are relative to the working folder
 * @throws UserError that lists every problem with its flag
 */
export async function resolveRunConfig(flags: Readonly<Record<string, unknown>>, file?: string): Promise<RunConfig> {
  const fromFile = file === undefined ? {} : await readConfigFile(file);
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  // a flag that contradicts the file's choice takes its place
  for (const rivals of RIVALS)
    for (const [own, other] of [rivals, [...rivals].reverse()]) if (given[own] && given[other] === undefined) delete fromFile[other];
  const own = { ...fromFile, ...given };
  const options: Record<string, unknown> = { ...presetOptions(own.preset, own), ...own };
  // as in transformers' Trainer the prefix may be left out
  const metric = options.metricForBestModel;
  if (typeof metric === 'string' && !metric.startsWith('eval_')) options.metricForBestModel = `eval_${metric}`;
  const parsed = runConfigSchema.safeParse(options);
  if (!parsed.success) {
    const origin = (key: string): string => (key in given || !(key in fromFile) ? `--${flagName(key)}` : `${file}: ${key}`);
    throw new UserError(optionIssues(parsed.error.issues, options, runConfigKeys, origin).join('; '));
  }
  if (parsed.data.resume && parsed.data.overwrite) {
    throw new UserError('--resume goes on with the run in the output folder, --overwrite deletes it: give one of them');
  }
  refuseContradictions(parsed.data);
  refuseIdleLossOptions(parsed.data);
  refuseIdleEvaluations(parsed.data);
  return Object.freeze(parsed.data);
}

/** Options that contradict each other, or belong to other choices than the one made and would do nothing. @throws UserError naming the first */
function refuseContradictions(config: RunConfig): void {
  const adam = config.optimizer === 'adam' || config.optimizer === 'adamw';
  const idle = adam ? (['momentum'] as const) : (['adamBeta1', 'adamBeta2', 'adamEpsilon'] as const);
  for (const key of idle) {
    if (config[key] === runConfigSchema.shape[key].parse(undefined)) continue;
    const owners = adam ? 'rmsprop and sgd' : 'adam and adamw';
    throw new UserError(`--${flagName(key)} is ${config[key]}: it belongs to ${owners}, and --optimizer is ${config.optimizer}`);
  }
  const { warmupSteps, warmupRatio } = config;
  if (warmupSteps > 0 && warmupRatio > 0)
    throw new UserError(`--warmup-steps is ${warmupSteps} and --warmup-ratio ${warmupRatio}: give one of them`);
  if (config.cudaGraphs === 'on' && config.loraDropout)
    throw new UserError(`--cuda-graphs on and --lora-dropout ${config.loraDropout}: dropout draws anew in each step; give one of them`);
  for (const key of ['maxPromptLength', 'maxCompletionLength'] as const)
    if (config.maxLength > 0 && config[key] >= config.maxLength)
      throw new UserError(
        `--${flagName(key)} is ${config[key]}: it must be less than --max-length, which is ${config.maxLength} (0: none)`,
      );
}

/** The same for what is evaluated and what evaluations decide. @throws UserError naming the first */
function refuseIdleEvaluations(config: RunConfig): void {
  const { evalFraction, loadBestModelAtEnd, earlyStoppingPatience } = config;
  if (config.eval !== undefined && evalFraction > 0)
    throw new UserError(
      `--eval-fraction ${evalFraction} holds back pairs to evaluate on, and --eval ${config.eval} gives them: give one of them`,
    );
  const asked = loadBestModelAtEnd ? '--load-best-model-at-end' : earlyStoppingPatience > 0 ? '--early-stopping-patience' : undefined;
  if (asked !== undefined && config.eval === undefined && evalFraction === 0)
    throw new UserError(`${asked} needs pairs to evaluate on: give --eval or --eval-fraction`);
  if (asked !== undefined && config.evalEverySteps === 0)
    throw new UserError(`${asked} needs evaluations during the run, and --eval-every-steps is 0: at the end alone`);
  if (config.earlyStoppingThreshold > 0 && earlyStoppingPatience === 0)
    throw new UserError(`--early-stopping-threshold is ${config.earlyStoppingThreshold}: it belongs to --early-stopping-patience`);
  const idle = config.greaterIsBetter !== undefined ? 'greaterIsBetter' : 'metricForBestModel';
  if (asked === undefined && config[idle] !== runConfigSchema.shape[idle].parse(undefined))
    throw new UserError(
      `--${flagName(idle)} is ${String(config[idle])}: it belongs to --load-best-model-at-end and --early-stopping-patience`,
    );
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
    options[key] = LISTS.includes(key) && (Array.isArray(value) || typeof value === 'number') ? String(value) : (value as unknown);
  }
  return options;
}
