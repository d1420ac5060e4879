import { z } from 'zod';
import { byteCount } from '../util/byteCount';
import { calendarDay } from '../util/calendarDay';
import { engineOptions } from '../util/engineOptions';
import { quantizationOptions } from '../util/quantizationOptions';
import { lossOptions } from './lossOptions';
import { presetNames } from './presets';

const path = z.string().min(1);
const count = z.int().min(1);
const countOrNever = z.int().min(0);
const positive = z.number().positive();

// the figures of evaluations as losses/metrics.ts names them; not read from there: --help would load the engine
const EVAL_METRICS = [
  ...(['eval_loss', 'eval_rewards/chosen', 'eval_rewards/rejected', 'eval_rewards/accuracies', 'eval_rewards/margins'] as const),
  ...(['eval_logps/chosen', 'eval_logps/rejected'] as const),
] as const;

/** Every option of a training run: type, bounds, default and help text stand here and nowhere else. */
export const runConfigSchema = z.strictObject({
  model: path.describe('model to train: a folder in Hugging Face layout, or owner/name[@revision] on the hub'),
  train: path.describe(
    'preference pairs to train on: JSONL, JSON, CSV, TSV or Parquet with prompt, chosen, rejected, or owner/name[:split] on the hub',
  ),
  eval: path.optional().describe('preference pairs to evaluate on, likewise'),
  evalFraction: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("share of --train's pairs, drawn by the seed, that is held back to evaluate on in place of --eval; 0: none"),
  applyChatTemplate: z
    .boolean()
    .default(false)
    .describe("make pairs of texts a user's and an assistant's turn in the model's chat template (messages are always written with it)"),
  maxLength: countOrNever
    .default(1024)
    .describe(
      'tokens of prompt and completion together: longer completions lose their end, pairs with longer prompts are left out; 0: none',
    ),
  maxPromptLength: countOrNever
    .default(0)
    .describe('tokens of the prompt: longer ones lose their start, before --max-length is looked at; 0: none'),
  maxCompletionLength: countOrNever.default(0).describe('tokens of each completion: longer ones lose their end, likewise; 0: none'),
  maxCharacters: countOrNever
    .default(0)
    .describe('pairs with more characters in prompt and completion together, on either side, are left out; 0: none'),
  chatTemplateDate: calendarDay
    .optional()
    .describe(
      "the day that the model's chat template writes, as YYYY-MM-DD, where it writes one; by default the day on which the run starts",
    ),
  output: path.describe('folder for config.json, metrics.jsonl, checkpoints/ and model/'),
  preset: z
    .enum(presetNames)
    .optional()
    .describe('the settings of arXiv 2406.16235 for one of its models, which the config file and flags override (docs/presets.md)'),
  ...lossOptions,
  beta: positive.default(0.1).describe('strength of the pull to the reference model'),
  learningRate: positive.default(1e-6).describe('learning rate after the warmup'),
  optimizer: z.enum(['rmsprop', 'adamw', 'adam', 'sgd']).default('rmsprop').describe('optimizer, as torch.optim has it'),
  momentum: z.number().min(0).lt(1).default(0).describe('momentum of rmsprop and sgd'),
  weightDecay: z.number().min(0).default(0).describe('weight decay, of all weights but biases and norms'),
  adamBeta1: z.number().min(0).lt(1).default(0.9).describe("decay of adam's and adamw's first moment"),
  adamBeta2: z.number().min(0).lt(1).default(0.999).describe("decay of adam's and adamw's second moment"),
  adamEpsilon: positive.default(1e-8).describe("term added to adam's and adamw's denominator"),
  batchSize: count.default(8).describe('pairs at once'),
  gradientAccumulationSteps: count.default(1).describe('batches whose gradients are averaged for one step'),
  epochs: count.default(1).describe('times over the training pairs'),
  maxSteps: count.optional().describe('stop after this many steps, whatever the epochs'),
  warmupSteps: countOrNever.default(0).describe('steps over which the learning rate rises from 0'),
  warmupRatio: z.number().min(0).max(1).default(0).describe('the same as a share of all steps, rounded up'),
  schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('constant')
    .describe('learning rate after the warmup: kept, or falling to 0 at the last step, evenly or along a cosine'),
  maxGradNorm: positive.default(10).describe('gradients are scaled down to this norm'),
  adapter: path
    .optional()
    .describe(
      "LoRA adapter of --model to train on, in PEFT's format: a folder, or owner/name on the hub; as it is at first, it is the reference",
    ),
  recompute: z
    .enum(['none', 'blocks'])
    .default('none')
    .describe(
      "what is computed again in the backward pass instead of being kept: nothing, or each decoder block's inside (less memory, more time)",
    ),
  cudaGraphs: z
    .enum(['auto', 'on', 'off'])
    .default('auto')
    .describe(
      "whether a GPU is given a step's work recorded, as a whole: by default where handing it over piece by piece would take longer than the work",
    ),
  loraRank: count.optional().describe('train a LoRA adapter of this rank in place of all weights'),
  loraAlpha: positive.optional().describe("LoRA: the adapter's factor is alpha / rank; by default twice the rank"),
  loraTargets: path
    .optional()
    .describe(
      'LoRA: names or regular expressions of modules, separated by commas, embeddings and head too; by default all-linear, every linear layer but the head',
    ),
  loraModulesToSave: path
    .optional()
    .describe('LoRA: names of modules that are trained whole beside it, separated by commas (lm_head, embed_tokens, norm, …)'),
  loraEnsureWeightTying: z
    .boolean()
    .default(false)
    .describe('LoRA: what is trained of a tied embedding or head, by LoRA or whole, is trained of both as one, so that they stay tied'),
  rslora: z.boolean().default(false).describe("LoRA: the adapter's factor is alpha / sqrt(rank)"),
  loraDropout: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe("LoRA: share of its inputs that training hides from the adapter; by default an adapter's own, 0 for a new one"),
  loraDora: z.boolean().default(false).describe('LoRA: DoRA, which trains the magnitude of every output beside its direction'),
  ...quantizationOptions('the base model'),
  evalEverySteps: countOrNever.default(100).describe('steps between evaluations; 0: at the end alone'),
  loadBestModelAtEnd: z
    .boolean()
    .default(false)
    .describe(
      'leave the weights of the best evaluation, not of the last step: each one better than before gets a checkpoint, the best is kept',
    ),
  metricForBestModel: z
    .enum(EVAL_METRICS)
    .default('eval_loss')
    .describe('what makes an evaluation the best, for --load-best-model-at-end and --early-stopping-patience'),
  greaterIsBetter: z
    .boolean()
    .optional()
    .describe("whether more of that is better (--greater-is-better false: less); by default unless the metric's name ends in loss"),
  earlyStoppingPatience: countOrNever
    .default(0)
    .describe('end the run after this many evaluations in a row without an improvement; 0: never'),
  earlyStoppingThreshold: z
    .number()
    .min(0)
    .default(0)
    .describe('what an evaluation must better the best one by, and more, to count as an improvement for the patience'),
  saveEverySteps: countOrNever.default(500).describe('steps between checkpoints; 0: none but when interrupted'),
  keepCheckpoints: count.optional().describe('keep only this many checkpoints, the latest and the best; all of them when not given'),
  maxShardSize: z
    .string()
    .refine((text) => byteCount(text) !== undefined, 'must be a size such as 500MB, 5GB or 2GiB')
    .default('5GB')
    .describe('largest file of saved weights: a larger model goes into several, with an index'),
  logEverySteps: count.default(1).describe('steps between lines of metrics.jsonl, each the mean over those steps'),
  seed: z
    .int()
    .min(0)
    .max(0xffffffff)
    .default(0)
    .describe("seed of the order of the pairs, of those held back, and of an adapter's first values and dropout"),
  ...engineOptions('tokenised data and reference log-probabilities'),
  resume: z.boolean().default(false).describe("go on from the output folder's last checkpoint, if there is one"),
  overwrite: z.boolean().default(false).describe('replace the run that the output folder holds'),
});

/** A training run's options, resolved. */
export type RunConfig = Readonly<z.output<typeof runConfigSchema>>;

export const runConfigKeys = Object.keys(runConfigSchema.shape) as (keyof RunConfig)[];
