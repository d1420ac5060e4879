import { linearModules, untiedShapes } from '../models/adapters/adaptableModules';
import { chosenModules } from '../models/adapters/chosenModules';
import type { Architecture, BaseConfig } from '../models/types';
import type { EstimateConfig } from './estimateConfig';
import { adaptableTargets, wholeModules } from './loraOptions';

/** The sizes that memory and time of a training step follow from. */
export interface StepShape {
  layers: number;
  width: number;
  /** Heads times their width, of queries and of keys. */
  queryWidth: number;
  keyWidth: number;
  /** Of the feed-forward part, and whether it is gated. */
  innerWidth: number;
  isGated: boolean;
  vocabulary: number;
  /** Norms of a layer over the model's width, whether each head's query and key are normed too, and whether they are RMS norms. */
  norms: number;
  normsHeads: boolean;
  isRms: boolean;
  /** Numbers in all weights, in those that a layer multiplies by, in the output head, and in what is trained. */
  parameters: number;
  layerMatrices: number;
  headWeights: number;
  trained: number;
  /** Numbers in an adapter's matrices and in its magnitudes, 0 without one. */
  adapter: number;
  magnitudes: number;
  /** Numbers in the weights that are kept in 4 bits, the bytes that these take, and what a tile of the largest takes as floats. */
  quantized: number;
  quantizedBytes: number;
  tileBytes: number;
  /** Packed tokens of one batch, its attention's segments, and predicted tokens. */
  rows: number;
  segments: number;
  targets: number;
  /** Pairs of a query and a key that it sees. */
  seen: number;
}

/** Values of a tile at most. */
const TILE_VALUES = 2 ** 24;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/**
 * The sizes of a training step of pairs that all have the mean lengths: a prompt once, both completions without their last token.
 * @throws UserError for LoRA targets that name nothing in the model
 */
export function stepShape(architecture: Architecture, config: BaseConfig, options: EstimateConfig): StepShape {
  const shapes = Object.entries(architecture.weightShapes(config));
  const parameters = shapes.reduce((sum, [, shape]) => sum + size(shape), 0);
  const ofLayers = shapes.filter(([name]) => /\.\d+\./.test(name));
  const matrices = ofLayers.filter(([, shape]) => shape.length === 2);
  const first = ofLayers.filter(([name]) => /\.0\./.test(name));
  const inner = first.find(([name, shape]) => /mlp|feed_forward|dense_h_to_4h/.test(name) && shape.length === 2);
  const { adapter, magnitudes } = adapterSize(architecture, config, options);
  const { promptTokens: prompt, completionTokens, batchSize } = options;
  const own = completionTokens - 1;
  const triangle = (count: number): number => (count * (count + 1)) / 2;
  return {
    layers: config.layers,
    width: config.width,
    queryWidth: config.heads * config.headWidth,
    keyWidth: config.keyValueHeads * config.headWidth,
    innerWidth: inner ? Math.max(...inner[1]) : 4 * config.width,
    isGated: first.some(([name]) => /gate/.test(name)),
    vocabulary: config.vocabulary,
    norms: first.filter(([name, shape]) => name.endsWith('weight') && shape.length === 1 && shape[0] === config.width).length,
    normsHeads: first.some(([name]) => /q_norm/.test(name)),
    // the others' are layer norms
    isRms: !/^(gpt2|gpt_neox|bloom|cohere2?)$/.test(config.modelType),
    parameters,
    layerMatrices: matrices.reduce((sum, [, shape]) => sum + size(shape), 0),
    headWeights: config.vocabulary * config.width,
    trained: options.loraRank === undefined ? parameters : adapter + magnitudes,
    adapter,
    magnitudes,
    ...quantizedSize(architecture, config, options),
    rows: batchSize * (prompt + 2 * own),
    segments: 2 * batchSize,
    targets: 2 * batchSize * completionTokens,
    seen: batchSize * (triangle(prompt + own) + own * prompt + triangle(own)),
  };
}

/** Bytes of a value and its block's magnitude in a tile: codes as int32, the code's value and its product in float32, in bf16 runs that in bf16. */
const TILE_BYTES = 2 + 4 + 4;

/** What engine/torch/quantizedLinear.h keeps and makes. */
function quantizedSize(
  architecture: Architecture,
  config: BaseConfig,
  { quantization, doubleQuantization, precision }: EstimateConfig,
): Pick<StepShape, 'quantized' | 'quantizedBytes' | 'tileBytes'> {
  if (quantization === 'none') return { quantized: 0, quantizedBytes: 0, tileBytes: 0 };
  const sizes = linearModules(architecture, config).map(({ inputs, outputs }) => inputs * outputs);
  const kept = sizes.map((count) => {
    const blocks = Math.ceil(count / 64);
    // double: a magnitude's code, a scale for 256 of them, the codes' 256 values and the offset
    const magnitudes = doubleQuantization ? blocks + 4 * (Math.ceil(blocks / 256) + 256 + 1) : 4 * blocks;
    // the two values of each byte
    return Math.ceil(count / 2) + magnitudes + 4 * 512;
  });
  const tile = Math.min(TILE_VALUES, Math.max(...sizes)) * (TILE_BYTES + (precision === 'bf16' ? 2 : 0));
  return { quantized: sum(sizes), quantizedBytes: sum(kept), tileBytes: tile };
}

function adapterSize(architecture: Architecture, config: BaseConfig, options: EstimateConfig): Pick<StepShape, 'adapter' | 'magnitudes'> {
  const { matrices, magnitudes } = adapterShapes(architecture, config, options);
  return { adapter: sum(matrices.map(size)), magnitudes: sum(magnitudes.map(size)) };
}

/** Shapes of an adapter's matrices, the modules that it holds whole among them, and of its magnitudes; none without an adapter. */
function adapterShapes(
  architecture: Architecture,
  config: BaseConfig,
  { loraRank, loraTargets, loraModulesToSave, loraEnsureWeightTying, loraDora }: EstimateConfig,
): { matrices: (readonly number[])[]; magnitudes: (readonly number[])[] } {
  if (loraRank === undefined) return { matrices: [], magnitudes: [] };
  const [targets, modulesToSave] = [adaptableTargets(loraTargets), wholeModules(loraModulesToSave)];
  const chosen = chosenModules(architecture, config, { targets, modulesToSave, ensureWeightTying: loraEnsureWeightTying });
  const { targets: modules, saved, tied } = chosen;
  const shapes = untiedShapes(architecture, config);
  // a tied head's are its embedding's
  const own = modules.filter(({ name }) => name !== tied?.head);
  const whole = saved.filter(({ name }) => name !== tied?.head).flatMap(({ weights }) => weights);
  const low = own.flatMap(({ inputs, outputs }) => [
    [loraRank, inputs],
    [outputs, loraRank],
  ]);
  return {
    matrices: [...low, ...whole.map((name) => shapes[name])],
    magnitudes: loraDora ? modules.map(({ outputs }) => [outputs]) : [],
  };
}

/** The shapes of all that a run trains. @throws UserError as `stepShape` */
export function trainedShapes(architecture: Architecture, config: BaseConfig, options: EstimateConfig): (readonly number[])[] {
  if (options.loraRank === undefined) return Object.values(architecture.weightShapes(config));
  const { matrices, magnitudes } = adapterShapes(architecture, config, options);
  return [...matrices, ...magnitudes];
}
