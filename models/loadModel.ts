import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { currentEngine, type Engine, type Quantization } from '../engine/engine';
import { UserError } from '../util/errors';
import { contentHash, defaultCacheFolder } from '../util/files';
import { silent, type Progress } from '../util/progress';
import { nearest } from '../util/suggest';
import { linearModules } from './adapters/adaptableModules';
import { baseFolder, isAdapterFolder } from './adapters/adapterFolder';
import { detachAdapter } from './adapters/attachAdapter';
import { loadAdapter } from './adapters/loadAdapter';
import { openCheckpoint, type Checkpoint } from './checkpointFiles';
import { countNonFinite } from './floats';
import { floatFields } from './configText';
import { readConfig } from './readConfig';
import { rememberedHash } from './rememberedHash';
import type { Architecture, BaseConfig, Model, ModelTask } from './types';

export interface LoadOptions {
  /** Whether the weights are to be trained: they keep a float32 master copy whatever the precision. */
  trainable: boolean;
  /** What the model may be for, by default a language model. */
  tasks?: readonly ModelTask[];
  /** Keep the linear layers' weights (all but embeddings and head) in 4 bits; for models that are not trained themselves. */
  quantization?: Quantization | undefined;
  /** Where hashes of weight files are remembered. */
  cacheFolder?: string;
  /** Given lines for people: config fields without effect, weights that are NaN or infinite. */
  warn?: (line: string) => void;
}

/**
 * Loads a Hugging Face folder onto the current engine: config.json, and weights in safetensors or PyTorch's own files, one or several.
 * An adapter's folder (PEFT's format) loads its base model, frozen, with the adapter on it. Free it with `disposeModel`.
 * @throws UserError for a folder, config or weight that is missing, unknown, damaged or of the wrong shape
 */
export async function loadModel(folder: string, options: LoadOptions, progress: Progress = silent): Promise<Model> {
  if (isAdapterFolder(folder)) return loadAdapted(folder, options, progress);
  const { stored, read, close, unread, ...model } = await openModel(folder, options.cacheFolder, options.tasks);
  if (unread.length > 0) options.warn?.(`${join(folder, 'config.json')}: fields without effect on this model: ${unread.join(', ')}`);
  const weights: Record<string, tf.Variable> = {};
  try {
    const engine = currentEngine();
    const packed = options.quantization ? quantizedNames(model, engine, options.quantization) : new Set<string>();
    const damaged: string[] = [];
    for (const [i, { name, storedName, shape }] of stored.entries()) {
      progress({ stage: 'loading the model', done: i, total: stored.length });
      const values = await read(name);
      const { nan, infinite } = countNonFinite(values);
      if (nan + infinite > 0) damaged.push(`${storedName} (${nan} NaN, ${infinite} infinite of ${values.length})`);
      weights[name] = packed.has(name)
        ? engine.quantizedParameter!(values, shape, options.quantization!, model.architecture.inputFirst ?? false)
        : engine.parameter(values, shape, options.trainable);
    }
    progress({ stage: 'loading the model', done: stored.length, total: stored.length });
    if (damaged.length > 0) options.warn?.(nonFiniteWarning(folder, damaged));
    const { quantization } = options;
    if (!quantization) return { ...model, weights };
    const { contentHash: filesHash } = model;
    return { ...model, weights, quantization, filesHash, contentHash: quantizedHash(filesHash, quantization) };
  } catch (error) {
    Object.values(weights).forEach((weight) => weight.dispose());
    throw error;
  } finally {
    await close();
  }
}

/** What identifies a model whose linear weights are held in 4 bits. @param hash of its files */
export const quantizedHash = (hash: string, { type, double }: Quantization): string =>
  contentHash(hash, type, double ? 'double' : 'single');

/** The weights that are kept in 4 bits. @throws UserError on an engine that cannot */
export function quantizedNames(
  { architecture, config }: Pick<Model, 'architecture' | 'config'>,
  engine: Engine,
  { type }: Quantization,
): Set<string> {
  if (!engine.quantizedParameter) throw new UserError(`--quantization ${type} needs the torch engine; this is ${engine.name}`);
  return new Set(linearModules(architecture, config).map(({ name }) => `${name}.weight`));
}

/** A model's folder opened for reading: all that a `Model` has but its weights, which are read one by one. */
export interface OpenModel extends Omit<Model, 'weights' | 'adapter'> {
  /** Fields of config.json that the architecture does not know (`watchReads`). */
  unread: readonly string[];
  stored: readonly StoredWeight[];
  /** A weight's values by its canonical name. */
  read(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Opens a Hugging Face folder, no adapter's, its weights' names and shapes checked. Close it after reading. @throws UserError as `loadModel` */
export async function openModel(folder: string, cacheFolder = defaultCacheFolder(), tasks?: readonly ModelTask[]): Promise<OpenModel> {
  const { architecture, config: parsed, rawConfig, configText, unread } = await readConfig(folder, tasks);
  const checkpoint = await openCheckpoint(folder);
  try {
    const config = architecture.refineConfig?.(parsed, new Set(checkpoint.fileOf.keys())) ?? parsed;
    const stored = matchWeights(architecture, config, checkpoint, folder);
    const storedNames = new Map(stored.map(({ name, storedName }) => [name, storedName]));
    const hashes = [];
    for (const path of checkpoint.paths) hashes.push(await rememberedHash(path, cacheFolder));
    return {
      ...{ architecture, config, rawConfig, floatFields: floatFields(configText), folder, stored, unread },
      contentHash: contentHash(configText, ...hashes),
      read: (name) => checkpoint.fileOf.get(storedNames.get(name)!)!.read(storedNames.get(name)!),
      close: checkpoint.close,
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function loadAdapted(folder: string, options: LoadOptions, progress: Progress): Promise<Model> {
  const base = await loadModel(await baseFolder(folder), { ...options, trainable: false }, progress);
  try {
    const { trainable, cacheFolder = defaultCacheFolder(), warn } = options;
    return await loadAdapter(base, folder, { trainable, cacheFolder, warn });
  } catch (error) {
    disposeModel(base);
    throw error;
  }
}

/** Weights named in one warning; the rest are counted. */
const NAMED_WEIGHTS = 5;

function nonFiniteWarning(folder: string, damaged: readonly string[]): string {
  const rest = damaged.length > NAMED_WEIGHTS ? ` and ${damaged.length - NAMED_WEIGHTS} more` : '';
  const named = damaged.slice(0, NAMED_WEIGHTS).join(', ');
  return `${folder}: ${damaged.length} ${damaged.length === 1 ? 'weight holds' : 'weights hold'} values that are not finite: ${named}${rest}; what the model computes will not be finite either`;
}

/** Frees a model's weights, and its adapter's. */
export function disposeModel(model: Model): void {
  Object.values(detachAdapter(model).weights).forEach((weight) => weight.dispose());
}

interface StoredWeight {
  name: string;
  storedName: string;
  shape: readonly number[];
}

/** Every weight of the model with the tensor that holds it, all checked before any is read. */
function matchWeights(architecture: Architecture, config: BaseConfig, checkpoint: Checkpoint, folder: string): StoredWeight[] {
  const shapes = architecture.weightShapes(config);
  const storedNames = new Map<string, string>();
  for (const [storedName, { path, entries }] of checkpoint.fileOf) {
    const name = architecture.canonicalName(storedName, config);
    if (name === null) continue;
    if (!Object.hasOwn(shapes, name)) {
      const guess = nearest(name, Object.keys(shapes));
      throw new UserError(
        `${path}: unknown weight ${storedName} [${entries.get(storedName)!.shape.join(', ')}]: a ${config.modelType} of this config has none${guess ? `; the nearest is ${guess} [${shapes[guess].join(', ')}]` : ''}`,
      );
    }
    const other = storedNames.get(name);
    if (other !== undefined) {
      // a pickle may store one weight twice, under the names of two modules that share it
      const { place } = entries.get(storedName)!;
      if (
        place !== undefined &&
        place === checkpoint.fileOf.get(other)!.entries.get(other)?.place &&
        checkpoint.fileOf.get(other)!.path === path
      )
        continue;
      throw new UserError(`${path}: ${storedName} and ${other} both hold the weight ${name}`);
    }
    storedNames.set(name, storedName);
  }
  return Object.entries(shapes).map(([name, shape]) => {
    const storedName = storedNames.get(name);
    if (storedName === undefined) throw new UserError(`${folder}: weight ${name} [${shape.join(', ')}] is missing from its files`);
    const { path, entries } = checkpoint.fileOf.get(storedName)!;
    const found = entries.get(storedName)!.shape;
    if (found.length !== shape.length || found.some((length, axis) => length !== shape[axis])) {
      throw new UserError(`${path}: weight ${storedName} has shape [${found.join(', ')}], config.json makes it [${shape.join(', ')}]`);
    }
    return { name, storedName, shape };
  });
}
