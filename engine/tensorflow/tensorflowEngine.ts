import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../util/errors';
import type { Engine } from '../engine';
import { tfjsEngine } from '../tfjsEngine';
import { tensorflowAddon } from './build';
import { registerTensorflowKernels } from './kernels';

interface Binding {
  TF_Version: string;
  isUsingGpuDevice(): boolean;
}

let started: { binding: Binding; device: string } | undefined;

/**
 * Starts TensorFlow's C library as tfjs's backend `tensorflow`, through the addon of `@tensorflow/tfjs-node-gpu`. Kernels are TensorFlow's eager
 * operations, gradients tfjs's tape, fused operations their plain definitions.
 * @param device `auto`, `cpu`, `cuda` or `cuda:N`: the card is chosen before the library loads, once a process
 * @param tf32 whether a GPU's float32 matrix products may round their factors to TF32
 * @throws UserError where there is no tensorflow or no addon, or the device is not there
 */
export async function tensorflowEngine(device: string, tf32 = false): Promise<Engine> {
  if (started && started.device !== device) throw new Error('internal: one process runs one tensorflow engine; its device cannot change');
  started ??= { binding: load(device, tf32), device };
  const { binding } = started;
  const gpu = binding.isUsingGpuDevice();
  if (device.startsWith('cuda') && !gpu)
    throw new UserError(`--device ${device}: tensorflow ${binding.TF_Version} sees no such card here; its package must be built for GPUs`);
  const place = gpu ? (device === 'auto' || device === 'cuda' ? 'cuda:0' : device) : 'cpu';
  const engine = tfjsEngine('tensorflow', {
    name: 'tensorflow',
    device: place,
    description: `tensorflow ${binding.TF_Version} on ${place}, float32${tf32 ? ' with TF32' : ''}`,
  });
  if (!(await tf.setBackend('tensorflow'))) throw new UserError('--engine tensorflow: the library does not start');
  return engine;
}

function load(device: string, tf32: boolean): Binding {
  const { path, origin } = tensorflowAddon();
  // read when the library loads
  if (device === 'cpu') process.env.CUDA_VISIBLE_DEVICES = '';
  const number = /^cuda:(\d+)$/.exec(device)?.[1];
  if (number !== undefined) process.env.CUDA_VISIBLE_DEVICES = number;
  if (!tf32) process.env.NVIDIA_TF32_OVERRIDE = '0';
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // the package calls it, and Node has it no more
  const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;

  let binding: Binding;
  try {
    binding = require(path) as Binding;
  } catch (error) {
    throw new UserError(`the tensorflow engine's addon ${path} (${origin}) does not load: ${(error as Error).message.split('\n')[0]}`);
  }
  // not the package's index: that looks for its own addon alone, and takes over at once
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels');
  const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend') as {
    NodeJSKernelBackend: new (binding: Binding, name: string) => tf.KernelBackend;
  };
  tf.registerBackend('tensorflow', () => {
    const backend = new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu');
    backend.read = async (dataId) => {
      const values = backend.readSync(dataId);
      // a loop that awaits results would otherwise never let the event loop run: Ctrl-C went unheard until its end
      await setImmediate();
      return values;
    };
    return backend;
  });
  registerTensorflowKernels();
  return binding;
}
