import { flagName } from '../util/optionIssues';

/** Titles of --help and the schema's keys below them; what stands nowhere comes under `Options:`. */
export type HelpGroups = Readonly<Record<string, readonly string[]>>;

export const trainGroups: HelpGroups = {
  'What:': [
    'model',
    'adapter',
    'train',
    'eval',
    'evalFraction',
    'output',
    'preset',
    'applyChatTemplate',
    'chatTemplateDate',
    'maxLength',
    'maxPromptLength',
    'maxCompletionLength',
    'maxCharacters',
  ],
  'Loss:': [
    'loss',
    'lossWeights',
    'beta',
    'labelSmoothing',
    'fDivergenceType',
    'fAlphaDivergenceCoef',
    'ldAlpha',
    'useWeighting',
    'discopopTau',
  ],
  'Steps:': ['batchSize', 'gradientAccumulationSteps', 'epochs', 'maxSteps', 'seed'],
  'Optimizer:': [
    'optimizer',
    'learningRate',
    'schedule',
    'warmupSteps',
    'warmupRatio',
    'maxGradNorm',
    'momentum',
    'weightDecay',
    'adamBeta1',
    'adamBeta2',
    'adamEpsilon',
  ],
  'Adapters:': [
    'loraRank',
    'loraAlpha',
    'loraTargets',
    'loraModulesToSave',
    'loraEnsureWeightTying',
    'loraDropout',
    'rslora',
    'loraDora',
    'quantization',
    'doubleQuantization',
  ],
  'Evaluations, log and checkpoints:': [
    'evalEverySteps',
    'loadBestModelAtEnd',
    'metricForBestModel',
    'greaterIsBetter',
    'earlyStoppingPatience',
    'earlyStoppingThreshold',
    'logEverySteps',
    'saveEverySteps',
    'keepCheckpoints',
    'maxShardSize',
  ],
  'Engine:': ['engine', 'device', 'precision', 'tf32', 'recompute', 'cudaGraphs', 'cache'],
  'Runs:': ['config', 'resume', 'overwrite'],
};

export const evalGroups: HelpGroups = {
  'What:': [
    'model',
    'output',
    'tasks',
    'languages',
    'limit',
    'applyChatTemplate',
    'chatTemplateDate',
    'quantization',
    'doubleQuantization',
  ],
  'Toxicity:': ['prompts', 'scorer', 'scorerModel', 'fluencyModel', 'samples', 'maxNewTokens', 'temperature', 'topP', 'batchSize', 'seed'],
  'Retrieval:': ['parallel'],
  'Preference:': ['pairs', 'reference', 'beta'],
  'Engine:': ['engine', 'device', 'precision', 'tf32', 'cache'],
  'Runs:': ['resume', 'overwrite'],
};

/** Puts the flags that a command has under their titles. @param parser yargs, its options declared */
export function groupHelp<P extends { group(keys: string[], title: string): unknown }>(
  parser: P,
  groups: HelpGroups,
  flags: readonly string[],
): P {
  for (const [title, keys] of Object.entries(groups)) {
    const there = keys.map(flagName).filter((flag) => flags.includes(flag));
    if (there.length > 0) parser.group(there, title);
  }
  return parser;
}
