import { resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { UserError } from '../../util/errors';
import { defaultCacheFolder } from '../../util/files';
import { silent, type Progress } from '../../util/progress';
import { openModel } from '../loadModel';
import { mayReplace } from '../mayReplace';
import { replaceFolder } from '../replaceFolder';
import type { WrittenDtype } from '../safetensors';
import { writeModelFolder } from '../saveModel';
import type { Model } from '../types';
import { embeddingAndHead } from './adaptableModules';
import { isAdapterFolder } from './adapterFolder';
import { unties } from './copies';
import { readAdapter } from './loadAdapter';
import { mergedWeight } from './mergedWeight';

export interface MergeOptions {
  /** The folder to make, in Hugging Face's layout. */
  output: string;
  dtype: WrittenDtype;
  /** Replace a model folder that is there. */
  overwrite: boolean;
  cacheFolder?: string;
}

/**
 * Writes a base model with an adapter's additions in its weights, a whole model that needs no adapter: PEFT's `merge_and_unload`. One
 * weight at a time is in memory, so that a large model needs little. A head that was tied to an embedding which the adapter treats
 * otherwise becomes a weight of its own. The folder appears whole or not at all.
 * @param base the base model's folder  @param adapter the adapter's, in PEFT's format
 * @throws UserError for an adapter that is none or another model's, or an output folder that holds something else
 */
export async function mergeAdapter(base: string, adapter: string, options: MergeOptions, progress: Progress = silent): Promise<void> {
  const { output, dtype, cacheFolder = defaultCacheFolder() } = options;
  if (!isAdapterFolder(adapter)) throw new UserError(`--merge ${adapter}: holds no adapter; it must be a folder with adapter_config.json`);
  if ([base, adapter].some((folder) => resolve(folder) === resolve(output)))
    throw new UserError(`--output ${output} is what is merged: name another folder`);
  const replaces = await mayReplace(output, options.overwrite);
  const { stored: _stored, read, close, ...model } = await openModel(base, cacheFolder);
  try {
    const { architecture, config } = model;
    const own = await readAdapter({ ...model, ownValues: read }, adapter, false);
    const { embedding, head } = embeddingAndHead(architecture, config);
    const untied = unties(architecture, config, own);
    const written = untied ? untiedModel(model) : model;
    const shapes = architecture.weightShapes(written.config);
    const changed = new Map(own.modules.map((module) => [`${module.name}.weight`, module]));
    const total = Object.keys(shapes).length;
    let done = 0;
    const values = async (name: string): Promise<Float32Array> => {
      progress({ stage: 'weights', done: done++, total });
      if (name in own.copies) return currentEngine().readParameter(own.copies[name]);
      const before = await read(untied && name === `${head}.weight` ? `${embedding}.weight` : name);
      const module = changed.get(name);
      if (!module) return before;
      return tf.tidy(() =>
        mergedWeight(tf.tensor2d(before, shapes[name] as [number, number]), module)
          .dataSync<'float32'>()
          .slice(),
      );
    };
    try {
      await replaceFolder(output, replaces, (folder) => writeModelFolder(written, values, folder, { dtype }));
    } finally {
      tf.dispose(own.weights);
    }
    progress({ stage: 'weights', done: total, total });
  } finally {
    await close();
  }
}

/** A model whose head is a weight of its own: an adapter made something else of it than of the embedding. */
function untiedModel<M extends Pick<Model, 'config' | 'rawConfig'>>(model: M): M {
  const { text_config: inner, ...rest } = model.rawConfig;
  const nested = inner === undefined ? {} : { text_config: { ...(inner as object), tie_word_embeddings: false } };
  return { ...model, config: { ...model.config, tiedHead: false }, rawConfig: { ...rest, ...nested, tie_word_embeddings: false } };
}
