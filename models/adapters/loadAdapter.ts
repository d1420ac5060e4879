import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { UserError } from '../../util/errors';
import { readSafetensors } from '../safetensors';
import type { Model } from '../types';
import { CONFIG_FILE, WEIGHTS_FILE, readAdapterConfig } from './adapterConfig';
import { adapterHash } from './adapterFolder';
import { attachAdapter } from './attachAdapter';
import { quantizationText } from './baseQuantization';
import { copyName, loraName, magnitudeName } from './tensorNames';
import { checkUnchanged, matchTensors, type AdapterBase } from './matchTensors';
import type { Adapter, LoraModule } from './types';
import { tiedHead, tiedInFile } from './weightTying';

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
  const adapter = await readAdapter(
    { ...model, ownValues: (name) => currentEngine().readParameter(model.weights[name]) },
    folder,
    options.trainable,
  );
  const now = quantizationText(model.quantization);
  if (adapter.trainedOn !== undefined && adapter.trainedOn !== now)
    options.warn?.(`${folder}: this adapter was trained with ${adapter.trainedOn}, and its base model is now loaded with ${now}`);
  const identity = await adapterHash(folder, model.contentHash, options.cacheFolder);
  return attachAdapter({ ...model, contentHash: identity }, adapter);
}

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
    const parameter = async (name: string, shape: readonly number[], wide = false): Promise<tf.Variable> =>
      (weights[name] = currentEngine().parameter(await file.read(name), shape, trainable, wide));
    const tensors = matchTensors(file, config, model);
    const { matched, whole, unchanged } = tensors;
    for (const weight of unchanged) await checkUnchanged(file, weight, model);
    const tied = await tiedInFile(file, config, model, tensors);
    const modules: LoraModule[] = [];
    for (const { module, rank, scale } of matched) {
      const { name, kind, inputFirst, inputs, outputs } = module;
      const own =
        name === tied?.head
          ? tiedHead(
              module,
              modules.find((other) => other.name === tied.embedding)!,
              scale,
            )
          : {
              ...{ name, kind, inputFirst, scale },
              a: await parameter(loraName(module, 'A'), [rank, inputs]),
              b: await parameter(loraName(module, 'B'), [outputs, rank]),
            };
      modules.push(config.dora ? { ...own, magnitude: await parameter(magnitudeName(name), [outputs], true) } : own);
    }
    const copies: Record<string, tf.Variable> = {};
    for (const [name, shape] of whole) if (name !== `${tied?.head}.weight`) copies[name] = await parameter(copyName(name), shape);
    const trainedOn = file.metadata[BASE_QUANTIZATION];
    return {
      ...{ config: config.raw, modules, copies, weights, dropout: { rate: config.dropout }, baseHash },
      ...(tied && { tied }),
      ...(trainedOn !== undefined && { trainedOn }),
    };
  } catch (error) {
    Object.values(weights).forEach((weight) => weight.dispose());
    throw error;
  } finally {
    await file.close();
  }
}
