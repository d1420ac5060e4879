import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../util/errors';
import { defaultCacheFolder, fileError } from '../../util/files';
import { silent, type Progress } from '../../util/progress';
import { openModel } from '../loadModel';
import { mayReplace } from '../mayReplace';
import type { WrittenDtype } from '../safetensors';
import { writeModelFolder } from '../saveModel';
import { isAdapterFolder } from './adapterFolder';
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
 * weight at a time is in memory, so that a large model needs little. The folder appears whole or not at all.
 * @param base the base model's folder  @param adapter the adapter's, in PEFT's format
 * @throws UserError for an adapter that is none or another model's, or an output folder that holds something else
 */
export async function mergeAdapter(base: string, adapter: string, options: MergeOptions, progress: Progress = silent): Promise<void> {
  const { output, dtype, cacheFolder = defaultCacheFolder() } = options;
  if (!isAdapterFolder(adapter)) throw new UserError(`--merge ${adapter}: holds no adapter; it must be a folder with adapter_config.json`);
  if ([base, adapter].some((folder) => resolve(folder) === resolve(output)))
    throw new UserError(`--output ${output} is what is merged: name another folder`);
  const replaces = await mayReplace(output, options.overwrite);
  const { stored, read, close, ...model } = await openModel(base, cacheFolder);
  const temporary = `${resolve(output)}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const { modules, weights } = await readAdapter(model, adapter, false);
    const changed = new Map(modules.map((module) => [`${module.name}.weight`, module]));
    const shapes = new Map(stored.map(({ name, shape }) => [name, shape]));
    let done = 0;
    const values = async (name: string): Promise<Float32Array> => {
      progress({ stage: 'weights', done: done++, total: stored.length });
      const own = await read(name);
      const module = changed.get(name);
      if (!module) return own;
      return tf.tidy(() => {
        const weight = tf.tensor2d(own, shapes.get(name) as [number, number]);
        return mergedWeight(weight, module, model.architecture.inputFirst ?? false)
          .dataSync<'float32'>()
          .slice();
      });
    };
    try {
      await writeModelFolder(model, values, temporary, { dtype });
    } finally {
      tf.dispose(weights);
    }
    progress({ stage: 'weights', done: stored.length, total: stored.length });
    await mkdir(dirname(resolve(output)), { recursive: true });
    if (replaces) await rm(output, { recursive: true });
    await rename(temporary, resolve(output));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw fileError(error, 'write', output);
  } finally {
    await close();
  }
}
