import { z } from 'zod';
import { UserError } from '../util/errors';
import { flagName, optionIssues } from '../util/optionIssues';
import { chosenQuantization } from '../util/quantizationOptions';
import { presetOptions } from './presets';
import { runConfigSchema } from './runConfig';

const count = z.int().min(1);
const positive = z.number().positive();
const { shape } = runConfigSchema;

/** Options of an estimate: those of a training run that memory or time depend on, and what a run reads off its data and its device. */
export const estimateConfigSchema = z.strictObject({
  model: z
    .string()
    .min(1)
    .describe('a model folder, owner/name[@revision] on the hub (its config.json alone is fetched), or a config.json'),
  preset: shape.preset,
  promptTokens: count.default(24).describe('mean tokens of a prompt'),
  completionTokens: count.default(40).describe('mean tokens of a completion, its end of text included'),
  batchSize: shape.batchSize,
  gradientAccumulationSteps: shape.gradientAccumulationSteps,
  pairs: count.optional().describe('pairs to train on: adds the time of the whole run'),
  epochs: shape.epochs,
  optimizer: shape.optimizer,
  momentum: shape.momentum,
  loraRank: shape.loraRank,
  loraTargets: shape.loraTargets,
  loraModulesToSave: shape.loraModulesToSave,
  loraEnsureWeightTying: shape.loraEnsureWeightTying,
  loraDora: shape.loraDora,
  quantization: shape.quantization,
  doubleQuantization: shape.doubleQuantization,
  recompute: shape.recompute,
  useWeighting: shape.useWeighting,
  precision: shape.precision,
  measure: z
    .boolean()
    .default(false)
    .describe('time some blocks, some of the vocabulary and the optimizer on the device here, for the time of a step'),
  tflops: positive.optional().describe('teraflops of the matrix products, in place of --measure'),
  bandwidth: positive.optional().describe('gigabytes a second of memory, read and written, in place of --measure'),
  engine: shape.engine,
  device: shape.device,
  tf32: shape.tf32,
});

export type EstimateConfig = Readonly<z.output<typeof estimateConfigSchema>>;

export const estimateConfigKeys = Object.keys(estimateConfigSchema.shape) as (keyof EstimateConfig)[];

/**
 * Resolves an estimate's options.
 * @param given by key; undefined where not given
 * @throws UserError that lists every problem with its flag, or names options that contradict each other
 */
export function resolveEstimateConfig(given: Readonly<Record<string, unknown>>): EstimateConfig {
  const own = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const ofPreset = Object.entries(presetOptions(own.preset, own)).filter(([key]) => Object.hasOwn(estimateConfigSchema.shape, key));
  const options = { ...Object.fromEntries(ofPreset), ...own };
  const parsed = estimateConfigSchema.safeParse(options);
  if (!parsed.success) throw new UserError(optionIssues(parsed.error.issues, options, estimateConfigKeys).join('; '));
  const { data } = parsed;
  if (data.measure && (data.tflops !== undefined || data.bandwidth !== undefined))
    throw new UserError('--measure finds out what --tflops and --bandwidth give: give one or the other');
  if ((data.tflops === undefined) !== (data.bandwidth === undefined))
    throw new UserError('--tflops and --bandwidth belong together: the time of a step depends on both');
  const owned = { engine: data.engine !== 'auto', device: data.device !== 'auto', tf32: data.tf32 };
  const idle = Object.entries(owned).find(([, isGiven]) => isGiven);
  if (idle && !data.measure) throw new UserError(`--${flagName(idle[0])} is for --measure: nothing else runs on a device`);
  if (data.pairs !== undefined && data.tflops === undefined && !data.measure)
    throw new UserError('--pairs is for the time of a run: give --measure, or --tflops and --bandwidth');
  if (data.momentum > 0 && data.optimizer.startsWith('adam'))
    throw new UserError(`--momentum is ${data.momentum}: it belongs to rmsprop and sgd, and --optimizer is ${data.optimizer}`);
  const further = {
    loraTargets: data.loraTargets !== undefined,
    loraModulesToSave: data.loraModulesToSave !== undefined,
    loraDora: data.loraDora,
    loraEnsureWeightTying: data.loraEnsureWeightTying,
  };
  const stray = Object.entries(further).find(([, isGiven]) => isGiven);
  if (stray && data.loraRank === undefined) throw new UserError(`--${flagName(stray[0])} is for LoRA: give --lora-rank`);
  if (chosenQuantization(data.quantization, data.doubleQuantization) && data.loraRank === undefined)
    throw new UserError(`--quantization ${data.quantization}: weights in 4 bits cannot be trained themselves; give --lora-rank`);
  return Object.freeze(data);
}
