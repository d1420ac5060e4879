import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { currentEngine } from '../engine/engine';
import { fileError, writeAtomic } from '../util/files';
import { saveAdapter } from './adapters/saveAdapter';
import { jsonText } from './configText';
import { CHAT_TEMPLATE_FILES, NAMED_TEMPLATES_FOLDER } from './chatTemplate';
import { WRITTEN_BYTES, writeSafetensors, type WrittenDtype } from './safetensors';
import { TOKENIZER_FILES } from './tokenizers/tokenizerSource';
import type { Model } from './types';

/** What a model folder holds beside config and weights and what a saved model keeps. */
const COPIED_FILES = [...TOKENIZER_FILES.filter((name) => name !== 'config.json'), ...CHAT_TEMPLATE_FILES];

/** A larger model goes into several files, as transformers does it; 5 GB was its limit for years, and every reader knows shards. */
const SHARD_BYTES = 5e9;

/**
 * Writes a model in Hugging Face's layout: float32 `model.safetensors` (shards and their index above `shardBytes`), config.json, and the tokenizer's files, chat templates and
 * generation_config.json of the folder that it was loaded from. A model with an adapter is saved as the adapter alone, in PEFT's format.
 * @throws UserError naming a file that cannot be written
 */
export async function saveModel(model: Model, folder: string, shardBytes = SHARD_BYTES): Promise<void> {
  if (model.adapter) {
    await saveAdapter(model.adapter, folder);
    return copyTokenizerFiles(model.folder, folder);
  }
  const engine = currentEngine();
  await writeModelFolder(model, (name) => engine.readParameter(model.weights[name]), folder, { shardBytes });
}

export interface WriteOptions {
  /** Largest file of weights. */
  shardBytes?: number;
  dtype?: WrittenDtype;
}

/**
 * Writes a model's folder from weights that are asked for one by one, so that no more than one is in memory.
 * @param values a weight's values by its canonical name
 * @throws UserError naming a file that cannot be written
 */
export async function writeModelFolder(
  { architecture, config, rawConfig, floatFields, folder: origin }: Omit<Model, 'weights' | 'adapter'>,
  values: (name: string) => Float32Array | Promise<Float32Array>,
  folder: string,
  { shardBytes = SHARD_BYTES, dtype = 'float32' }: WriteOptions = {},
): Promise<void> {
  const shapes = Object.entries(architecture.weightShapes(config));
  const tensors = shapes.map(([name, shape]) => ({ name, shape, values: () => values(name) }));
  await writeShards(folder, tensors, shardBytes, dtype);
  const saved = storedAs(dtype, architecture.savedConfig?.(rawConfig) ?? rawConfig);
  await writeAtomic(join(folder, 'config.json'), jsonText(saved, floatFields));
  await copyTokenizerFiles(origin, folder);
}

type TensorToWrite = Parameters<typeof writeSafetensors>[1][number];

/** Fills files up to the limit in the tensors' order; the index, written last, says that all are there. */
async function writeShards(folder: string, tensors: readonly TensorToWrite[], shardBytes: number, dtype: WrittenDtype): Promise<void> {
  const bytes = ({ shape }: TensorToWrite): number => WRITTEN_BYTES[dtype] * shape.reduce((product, size) => product * size, 1);
  const shards: TensorToWrite[][] = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    if (filled > 0 && filled + bytes(tensor) > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards[shards.length - 1].push(tensor);
    filled += bytes(tensor);
  }
  if (shards.length === 1) return writeSafetensors(join(folder, 'model.safetensors'), shards[0], { format: 'pt' }, dtype);
  const padded = (number: number): string => String(number).padStart(5, '0');
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const name = `model-${padded(i + 1)}-of-${padded(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, name), shard, { format: 'pt' }, dtype);
    for (const tensor of shard) weightMap[tensor.name] = name;
  }
  const index = { metadata: { total_size: tensors.reduce((sum, tensor) => sum + bytes(tensor), 0) }, weight_map: weightMap };
  await writeAtomic(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`);
}

/** The config says what the weights are stored as, under its old name, its new one, or neither. */
function storedAs(dtype: WrittenDtype, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const torchName = dtype === 'bf16' ? 'bfloat16' : dtype;
  const spellings = ['torch_dtype', 'dtype'].filter((name) => name in config);
  return { ...config, ...Object.fromEntries((spellings.length > 0 ? spellings : ['dtype']).map((name) => [name, torchName])) };
}

async function copyTokenizerFiles(from: string, to: string): Promise<void> {
  try {
    await mkdir(to, { recursive: true });
    if (!existsSync(from) || (await realpath(from)) === (await realpath(to))) return;
    for (const name of COPIED_FILES) {
      if (existsSync(join(from, name))) await copyFile(join(from, name), join(to, name));
    }
    const templates = join(from, NAMED_TEMPLATES_FOLDER);
    if (existsSync(templates)) await cp(templates, join(to, NAMED_TEMPLATES_FOLDER), { recursive: true });
  } catch (error) {
    throw fileError(error, 'copy tokenizer files to', to);
  }
}
