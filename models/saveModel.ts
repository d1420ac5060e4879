import { existsSync } from 'node:fs';
import { copyFile, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { currentEngine } from '../engine/engine';
import { fileError, writeAtomic } from '../util/files';
import { jsonText } from './configText';
import { writeSafetensors } from './safetensors';
import type { Model } from './types';

/** What a model folder holds beside config and weights and what a saved model keeps. */
const COPIED_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'tokenizer.model',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'generation_config.json',
];

/**
 * Writes a model in Hugging Face's layout: float32 `model.safetensors`, config.json, and the tokenizer's files and
 * generation_config.json of the folder that it was loaded from.
 * @throws UserError naming a file that cannot be written
 */
export async function saveModel(model: Model, folder: string): Promise<void> {
  const { architecture, config, weights, rawConfig } = model;
  const engine = currentEngine();
  const tensors = Object.entries(architecture.weightShapes(config)).map(([name, shape]) => ({
    name,
    shape,
    values: () => engine.readParameter(weights[name]),
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  const saved = asFloat32(architecture.savedConfig?.(rawConfig) ?? rawConfig);
  await writeAtomic(join(folder, 'config.json'), jsonText(saved, model.floatFields));
  await copyTokenizerFiles(model.folder, folder);
}

/** The config says what the weights are stored as, under its old name, its new one, or neither. */
function asFloat32(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const spellings = ['torch_dtype', 'dtype'].filter((name) => name in config);
  return { ...config, ...Object.fromEntries((spellings.length > 0 ? spellings : ['dtype']).map((name) => [name, 'float32'])) };
}

async function copyTokenizerFiles(from: string, to: string): Promise<void> {
  try {
    await mkdir(to, { recursive: true });
    if (!existsSync(from) || (await realpath(from)) === (await realpath(to))) return;
    for (const name of COPIED_FILES) {
      if (existsSync(join(from, name))) await copyFile(join(from, name), join(to, name));
    }
  } catch (error) {
    throw fileError(error, 'copy tokenizer files to', to);
  }
}
