#!/usr/bin/env node
import yargs from 'yargs';
import { buildTensorflowAddon, officialAddon } from '../engine/tensorflow/build';
import { installTensorflow } from '../engine/tensorflow/install';
import { findTensorflow } from '../engine/tensorflow/locate';
import { buildBinding, buildGraphs } from '../engine/torch/build';
import { installTorch } from '../engine/torch/install';
import { findTorch, type Torch } from '../engine/torch/locate';
import { UserError } from '../util/errors';
import type { Progress } from '../util/progress';
import { cliProgress, note, print, runCli, usageErrors } from './cli';

const SETUPS = { torch: setUpTorch, tensorflow: setUpTensorflow } as const;

/** Set-up: finds an engine's library or installs one, and compiles the engine against it. What is there is skipped. `npm run build` sets up torch. */
runCli(async () => {
  const { engine } = await yargs(process.argv.slice(2))
    .scriptName('npm run setup --')
    .usage('$0 [--engine tensorflow]\n\nInstalls what an engine needs, and compiles it.')
    .option('engine', { choices: Object.keys(SETUPS) as (keyof typeof SETUPS)[], default: 'torch' as const, describe: 'which one' })
    .strict()
    .version(false)
    .fail(usageErrors(['engine', 'help']))
    .parse();
  const { progress, stop } = cliProgress();
  try {
    await SETUPS[engine](progress);
  } finally {
    stop();
  }
});

async function setUpTorch(progress: Progress): Promise<void> {
  const found = findTorch();
  found.notices.forEach(note);
  const torch = found.torch ?? (await installTorch(progress));
  print(`torch ${torch.version} (${torch.cuda ? 'CUDA' : 'CPU'}) in ${torch.folder}`);
  print(`torch engine: ${await buildBinding(torch, progress)}`);
  if (torch.cuda) print(`CUDA graphs: ${await graphsLine(torch, progress)}`);
}

/** Training goes without them, only slower where batches are small: what keeps them from being built stops nothing. */
async function graphsLine(torch: Torch, progress: Progress): Promise<string> {
  try {
    const built = await buildGraphs(torch, progress);
    return 'path' in built ? built.path : `none: ${built.missing}`;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return `none: ${error.message}`;
  }
}

async function setUpTensorflow(progress: Progress): Promise<void> {
  const official = officialAddon();
  if (official !== undefined) return print(`tensorflow engine: ${official}, the package's own`);
  const found = findTensorflow();
  found.notices.forEach(note);
  const tensorflow = found.tensorflow ?? (await installTensorflow(progress));
  print(`tensorflow ${tensorflow.version} in ${tensorflow.folder}`);
  print(`tensorflow engine: ${await buildTensorflowAddon(tensorflow, progress)}`);
}
