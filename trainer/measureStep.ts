import * as tf from '@tensorflow/tfjs-core';
import { rowsAtOnce } from '../engine/ops/tokenLogProbs';
import { sigmoid } from '../losses/sigmoid';
import { createAdapter } from '../models/adapters/createAdapter';
import { disposeModel } from '../models/loadModel';
import { randomModel } from '../models/randomModel';
import type { Architecture, BaseConfig } from '../models/types';
import { estimateConfigKeys, type EstimateConfig } from './estimateConfig';
import { loraOptions, quantizationOf } from './loraOptions';
import { finish, updatePieces } from './measureUpdate';
import { resolveRunConfig, runConfigKeys, type RunConfig } from './runConfig';
import { trainedShapes } from './stepShape';
import type { StepParts } from './stepTime';
import { recordableStep, stepBatch, type StepBatch } from './stepInputs';

/** Blocks of the deeper model that is timed: as many as keep its weights and its products (rows times weights) below these, at least and at most. */
const BLOCKS = { least: 2, most: 8, weights: 2 ** 28, products: 2 ** 35 };
/** Words of the models that hardly have a head. */
const FEW_WORDS = 1024;
/** Words of the model that has one, as far as its embedding stays below `LARGEST_EMBEDDING` numbers, but for the least. */
const MANY_WORDS = 2 ** 15;
const LARGEST_EMBEDDING = 2 ** 26;
const LEAST_WORDS = 8192;
/** Rounds, the first of which warms up, and milliseconds after which no other begins. */
const ROUNDS = { least: 3, most: 40 };
const MILLISECONDS = 8000;

/** A model that is timed. */
export interface TimedModel {
  layers: number;
  vocabulary: number;
}

/** Which models are timed: one block, few words; more blocks; more words. Equal to the first where the run's model has no more. */
export function timedModels(
  config: BaseConfig,
  numbersOfBlock: number,
  rows: number,
): { small: TimedModel; deep: TimedModel; wide: TimedModel } {
  const cheap = Math.floor(Math.min(BLOCKS.weights, BLOCKS.products / rows) / numbersOfBlock);
  const layers = Math.min(config.layers, Math.max(BLOCKS.least, Math.min(BLOCKS.most, cheap)));
  const fitting = Math.max(LEAST_WORDS, Math.min(MANY_WORDS, Math.floor(LARGEST_EMBEDDING / config.width)));
  const small = { layers: 1, vocabulary: Math.min(FEW_WORDS, config.vocabulary) };
  return { small, deep: { ...small, layers }, wide: { ...small, vocabulary: Math.min(fitting, config.vocabulary) } };
}

/**
 * Times the parts of a run's step on the current engine, for some seconds: the trainer's own code on the run's batches, on models of random
 * weights of its widths. What a block takes is what more blocks took longer, what a word takes what more words did. The update is timed by itself,
 * on all that the run trains, or some hundred megabytes of it. The least time of several rounds counts: what other programs take is not the run's.
 * @param clock milliseconds; by default the wall clock's
 * @throws UserError for LoRA targets that name nothing in the model, or 4 bits on an engine that has none
 */
export async function measureStep(
  architecture: Architecture,
  config: BaseConfig,
  options: EstimateConfig,
  clock: () => number = () => performance.now(),
): Promise<StepParts> {
  const run = await runOf(options);
  const [lora, quantization] = [loraOptions(run), quantizationOf(run)];
  const zeros = new Float32Array(options.batchSize);
  const reference = { chosen: zeros, rejected: zeros };
  const batch = meanBatch(options, Math.min(FEW_WORDS, config.vocabulary));
  const sizes = timedModels(config, numbersOfBlock(architecture, config), batch.packed.tokens.length);
  const releases: (() => void)[] = [];
  try {
    const [small, deep, wide] = [sizes.small, sizes.deep, sizes.wide].map((size) => {
      const base = randomModel(architecture, { ...config, ...size }, { name: options.model, trainable: !lora, quantization });
      const model = lora ? createAdapter(base, lora, options.model) : base;
      releases.push(() => disposeModel(model));
      const { upload, compute } = recordableStep({ config: run, model, reference, loss: sigmoid });
      return (): void =>
        tf.tidy(() => {
          const inputs = upload(batch);
          // as many chunks as the whole vocabulary makes
          inputs.completions.chunkRows = rowsAtOnce(config.vocabulary);
          finish(compute(inputs).loss);
        });
    });
    const pieces = await updatePieces(run, trainedShapes(architecture, config, options));
    releases.push(pieces.dispose);
    const [few, deeper, wider, update, first, next] = fastest([small, deep, wide, pieces.update, pieces.first, pieces.next], clock);
    const block = slope(deeper - few, sizes.deep.layers - sizes.small.layers);
    const word = slope(wider - few, sizes.wide.vocabulary - sizes.small.vocabulary);
    return {
      blocks: block * config.layers,
      vocabulary: word * config.vocabulary,
      rest: few - block * sizes.small.layers - word * sizes.small.vocabulary,
      update: update * pieces.scale,
      firstSum: first * pieces.scale,
      nextSum: next * pieces.scale,
    };
  } finally {
    releases.forEach((release) => release());
  }
}

const slope = (rise: number, run: number): number => (run > 0 ? rise / run : 0);

/** Numbers in a block's weights. */
function numbersOfBlock(architecture: Architecture, config: BaseConfig): number {
  const numbers = (layers: number): number =>
    Object.values(architecture.weightShapes({ ...config, layers })).reduce((sum, shape) => sum + tf.util.sizeFromShape([...shape]), 0);
  return numbers(1) - numbers(0);
}

/** The run that is estimated: what it shares with a run's options, the others as they are by default. */
export function runOf(options: EstimateConfig): Promise<RunConfig> {
  const shared = estimateConfigKeys.filter((key) => key !== 'preset' && (runConfigKeys as readonly string[]).includes(key));
  return resolveRunConfig({ ...Object.fromEntries(shared.map((key) => [key, options[key]])), train: 'none', output: 'none' });
}

/** A batch whose pairs all have the mean lengths; its tokens are among the first words. */
function meanBatch({ batchSize, promptTokens, completionTokens }: EstimateConfig, words: number): StepBatch {
  const ids = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i % words);
  const pair = { prompt: ids(promptTokens), chosen: ids(completionTokens), rejected: ids(completionTokens) };
  const indices = Array.from({ length: batchSize }, (_, i) => i);
  return stepBatch(
    indices.map(() => pair),
    indices,
  );
}

/** The least seconds of each of several pieces of work, which run in turn; none may leave anything queued. */
function fastest(pieces: readonly (() => void)[], clock: () => number): number[] {
  const least = pieces.map(() => Infinity);
  const began = performance.now();
  for (let round = 0; round < ROUNDS.least || (round < ROUNDS.most && performance.now() - began < MILLISECONDS); round++)
    for (const [i, run] of pieces.entries()) {
      const before = clock();
      run();
      least[i] = Math.min(least[i], (clock() - before) / 1000);
    }
  return least;
}
