import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { UserError } from '../../util/errors';
import { readSafetensors, type SafetensorsFile } from '../safetensors';
import type { Model } from '../types';
import { CONFIG_FILE, WEIGHTS_FILE, moduleScale, readAdapterConfig, type AdapterConfig } from './adapterConfig';
import { linearModules, type AdaptableModule } from './adaptableModules';
import { adapterHash } from './adapterFolder';
import { attachAdapter } from './attachAdapter';
import { quantizationText } from './baseQuantization';
import { loraName, magnitudeName } from './createAdapter';
import type { Adapter, LoraModule } from './types';

/** Where an adapter file says which model it was made for. */
export const BASE_HASH = 'base_model_hash';
/** Where it says in how many bits that model was, by the options that mean it. */
export const BASE_QUANTIZATION = 'base_model_quantization';

export interface LoadAdapterOptions {
  trainable: boolean;
  cacheFolder: string;
  /** Given a line for people where the base model is held in other bits than the adapter was trained with. */
  warn?: ((line: string) => void) | undefined;
}

/** The model with the adapter of a folder on it. @throws UserError as `readAdapter` */
export async function loadAdapter(model: Model, folder: string, options: LoadAdapterOptions): Promise<Model> {
  const adapter = await readAdapter(model, folder, options.trainable);
  const now = quantizationText(model.quantization);
  if (adapter.trainedOn !== undefined && adapter.trainedOn !== now)
    options.warn?.(`${folder}: this adapter was trained with ${adapter.trainedOn}, and its base model is now loaded with ${now}`);
  const identity = await adapterHash(folder, model.contentHash, options.cacheFolder);
  return attachAdapter({ ...model, contentHash: identity }, adapter);
}

/** What is asked of the model that an adapter is read for. */
export type AdapterBase = Pick<Model, 'architecture' | 'config' | 'folder' | 'contentHash' | 'filesHash'>;

/**
 * Reads an adapter in PEFT's format onto the current engine: adapter_config.json and adapter_model.safetensors.
 * @throws UserError for a folder that holds none, a field that is not supported, weights that do not fit the model
 */
export async function readAdapter(model: AdapterBase, folder: string, trainable: boolean): Promise<Adapter> {
  const config = await readAdapterConfig(join(folder, CONFIG_FILE));
  const path = join(folder, WEIGHTS_FILE);
  if (!existsSync(path) && existsSync(join(folder, 'adapter_model.bin')))
    throw new UserError(`${folder}: holds adapter_model.bin but no ${WEIGHTS_FILE}; save the adapter as safetensors first`);
  const file = await readSafetensors(path);
  const weights: Record<string, tf.Variable> = {};
  try {
    const baseHash = model.filesHash ?? model.contentHash;
    const madeFor = file.metadata[BASE_HASH];
    if (madeFor !== undefined && madeFor !== baseHash)
      throw new UserError(`${path}: this adapter was trained on another model than ${model.folder} (its weights or config.json differ)`);
    const modules: LoraModule[] = [];
    for (const { module, rank, scale } of matchModules(file, config, model)) {
      const shapes = { A: [rank, module.inputs], B: [module.outputs, rank] };
      for (const matrix of ['A', 'B'] as const) {
        const name = loraName(module.name, matrix);
        weights[name] = currentEngine().parameter(await file.read(name), shapes[matrix], trainable);
      }
      const own = { name: module.name, scale, a: weights[loraName(module.name, 'A')], b: weights[loraName(module.name, 'B')] };
      if (config.dora) {
        const name = magnitudeName(module.name);
        weights[name] = currentEngine().parameter(await file.read(name), [module.outputs], trainable, true);
        modules.push({ ...own, magnitude: weights[name] });
      } else modules.push(own);
    }
    const trainedOn = file.metadata[BASE_QUANTIZATION];
    return {
      config: config.raw,
      modules,
      weights,
      dropout: { rate: config.dropout },
      baseHash,
      ...(trainedOn !== undefined && { trainedOn }),
    };
  } catch (error) {
    Object.values(weights).forEach((weight) => weight.dispose());
    throw error;
  } finally {
    await file.close();
  }
}

const LORA = /^base_model\.model\.(.+)\.lora_[AB]\.weight$/;
const LORA_OR_DORA = /^base_model\.model\.(.+)\.(?:lora_[AB]\.weight|lora_magnitude_vector)$/;

interface MatchedModule {
  module: AdaptableModule;
  rank: number;
  scale: number;
}

/** Every module that the file adapts, all tensors checked against the model before any is read. */
function matchModules(file: SafetensorsFile, config: AdapterConfig, model: AdapterBase): MatchedModule[] {
  const known = new Map(linearModules(model.architecture, model.config).map((module) => [module.name, module]));
  const names = new Set<string>();
  for (const tensor of file.entries.keys()) {
    const parts = (config.dora ? LORA_OR_DORA : LORA).exec(tensor);
    if (!parts || !known.has(parts[1])) {
      throw new UserError(
        `${file.path}: ${tensor} fits no linear layer of ${model.folder} (${model.config.modelType}): it is an adapter for another model, or of another kind`,
      );
    }
    names.add(parts[1]);
  }
  if (names.size === 0) throw new UserError(`${file.path}: holds no adapter weights`);
  return [...known.values()]
    .filter(({ name }) => names.has(name))
    .map((module) => {
      const { rank, scale } = moduleScale(config, module.name);
      checkShape(file, loraName(module.name, 'A'), [rank, module.inputs], model.folder);
      checkShape(file, loraName(module.name, 'B'), [module.outputs, rank], model.folder);
      if (config.dora) checkShape(file, magnitudeName(module.name), [module.outputs], model.folder);
      return { module, rank, scale };
    });
}

function checkShape(file: SafetensorsFile, name: string, shape: readonly number[], folder: string): void {
  const found = file.entries.get(name)?.shape;
  if (!found) throw new UserError(`${file.path}: ${name} is missing`);
  if (found.join() !== shape.join()) {
    throw new UserError(`${file.path}: ${name} has shape [${found.join(', ')}], for ${folder} it must be [${shape.join(', ')}]`);
  }
}
