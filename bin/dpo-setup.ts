#!/usr/bin/env node
import { buildBinding } from '../engine/torch/build';
import { installTorch } from '../engine/torch/install';
import { findTorch } from '../engine/torch/locate';
import { cliProgress, note, print, runCli } from './cli';

/** Set-up, a part of `npm run build`: finds torch or installs one, and compiles the engine against it. What is there is skipped. */
runCli(async () => {
  const { progress, stop } = cliProgress();
  try {
    const found = findTorch();
    found.notices.forEach(note);
    const torch = found.torch ?? (await installTorch(progress));
    print(`torch ${torch.version} (${torch.cuda ? 'CUDA' : 'CPU'}) in ${torch.folder}`);
    print(`torch engine: ${await buildBinding(torch, progress)}`);
  } finally {
    stop();
  }
});
