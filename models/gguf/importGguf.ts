import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileHash, readJson } from '../../util/files';
import type { Progress } from '../../util/progress';
import { mayReplace } from '../mayReplace';
import { replaceFolder } from '../replaceFolder';
import { metadataOf } from './metadata';
import { planImport } from './planImport';
import { readGguf } from './readGguf';
import { buildTokenizer } from './tokenizer';
import { writeWeights, type WeightDtype } from './writeWeights';

export interface ImportOptions {
  /** The folder to make, in Hugging Face's layout. */
  output: string;
  dtype: WeightDtype;
  /** Replace a model folder that is there. */
  overwrite: boolean;
  /** Files to copy into the folder: the terms that come with the weights. */
  extraFiles?: readonly string[];
}

/** What `import.json` says of a finished import. */
interface ImportMarker {
  version: 1;
  source: string;
  sha256: string;
  dtype: WeightDtype;
}

const MARKER = 'import.json';

/**
 * Turns a GGUF file into a Hugging Face folder: config.json, generation_config.json, model.safetensors, tokenizer.json,
 * tokenizer_config.json, special_tokens_map.json, and import.json, which says what it was made of. The folder appears whole or not at all.
 * @returns `imported`, or `unchanged` where the output already holds this import
 * @throws UserError for a file that cannot be read or imported, or an output folder that holds something else
 */
export async function importGguf(ggufPath: string, options: ImportOptions, progress: Progress): Promise<'imported' | 'unchanged'> {
  const output = resolve(options.output);
  const gguf = readGguf(ggufPath);
  const plan = planImport(gguf);
  const marker: ImportMarker = { version: 1, source: basename(ggufPath), sha256: await fileHash(ggufPath), dtype: options.dtype };
  if (await isSameImport(output, marker)) return 'unchanged';
  const replaces = await mayReplace(options.output, options.overwrite);
  progress({ stage: 'tokenizer', done: 0, total: 1 });
  const metadata = metadataOf(gguf);
  const { tokenizer, config, specialTokens } = buildTokenizer(metadata, plan.architecture, plan.config.vocab_size as number);
  progress({ stage: 'tokenizer', done: 1, total: 1 });
  await replaceFolder(options.output, replaces, async (temporary) => {
    await mkdir(temporary, { recursive: true });
    const write = (name: string, value: object, indent = 2): Promise<void> =>
      writeFile(join(temporary, name), `${JSON.stringify(value, null, indent)}\n`);
    const torchDtype = options.dtype === 'bf16' ? 'bfloat16' : 'float32';
    const { bos_token_id, eos_token_id, pad_token_id } = plan.config;
    await write('config.json', { ...plan.config, torch_dtype: torchDtype });
    await write('generation_config.json', withoutNulls({ bos_token_id, eos_token_id, pad_token_id }));
    await write('tokenizer.json', tokenizer, 0);
    await write('tokenizer_config.json', config);
    await write('special_tokens_map.json', specialTokens);
    await writeWeights(ggufPath, join(temporary, 'model.safetensors'), plan.tensors, options.dtype, progress);
    for (const file of options.extraFiles ?? []) await copyFile(file, join(temporary, basename(file)));
    await write(MARKER, marker);
  });
  return 'imported';
}

async function isSameImport(output: string, marker: ImportMarker): Promise<boolean> {
  const found = await readJson(join(output, MARKER)).catch(() => undefined);
  return JSON.stringify(found) === JSON.stringify(marker);
}

function withoutNulls(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
