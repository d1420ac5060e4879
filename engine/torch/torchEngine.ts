import * as tf from '@tensorflow/tfjs-core';
import type { Engine, Precision } from '../engine';
import { registerFused } from '../fused';
import { TorchBackend } from './backend';
import { type Slot, aten, freeSlot, loadBinding, scalarType } from './binding';
import { bindingPath } from './build';
import { decodeKernels } from './decodeKernels';
import { fusedKernels } from './fusedKernels';
import { headKernel } from './headKernel';
import { registerKernels } from './kernels/registerKernels';
import type { Torch } from './locate';
import { recomputed, valueAndGrads } from './recorder';
import { updateKernels } from './updateKernels';

const cast = aten('to.dtype');

let registered: TorchBackend | undefined;

/**
 * Starts libtorch as tfjs's backend `torch`.
 * @param device `cpu` or `cuda:N`
 * @param tf32 whether a GPU's float32 matrix products may round their factors to TF32
 * @throws UserError where its addon is missing, or the device is not there
 */
export async function torchEngine(torch: Torch, device: string, precision: Precision, tf32 = false): Promise<Engine> {
  const binding = loadBinding(bindingPath(torch));
  if (registered && (registered.device !== device || registered.precision !== precision))
    throw new Error('internal: one process runs one torch engine; device and precision cannot change');
  if (!registered) {
    const backend = new TorchBackend(device, precision);
    registered = backend;
    tf.registerBackend('torch', () => backend);
    registerKernels();
    registerFused('torch', { ...fusedKernels(backend), ...decodeKernels(backend), ...headKernel(backend), ...updateKernels(backend) });
  }
  const backend = registered;
  if (device !== 'cpu') binding.tf32(tf32);
  await tf.setBackend('torch');
  const workers = device === 'cpu' ? `, ${binding.threads()} threads` : '';
  return {
    name: 'torch',
    device,
    precision,
    description: `torch ${torch.version} on ${device}${workers}, ${precision}${tf32 ? ' with TF32' : ''}`,
    parameter: (values, shape, trainable, exact = false) => parameter(backend, values, shape, trainable, exact),
    readParameter: (weight) => backend.readFloats(backend.masterOf(weight)),
    valueAndGrads: (f, weights) => valueAndGrads(backend, f, weights),
    recomputed: (f, inputs) => recomputed(backend, f, inputs),
    ...(device === 'cpu' ? {} : { peakMemory: () => binding.peakMemory(device), freeMemory: () => binding.freeMemory(device) }),
  };
}

/** How many CUDA devices this torch sees. */
export function cudaDevices(torch: Torch): number {
  return loadBinding(bindingPath(torch)).cudaDevices();
}

function parameter(backend: TorchBackend, values: Float32Array, shape: readonly number[], trainable: boolean, exact: boolean): tf.Variable {
  const master: Slot = backend.upload(values, shape);
  if (exact || backend.floating === scalarType.float32) return backend.variable(master, trainable);
  const weight = backend.variable(cast(master, backend.floating), trainable);
  if (trainable) backend.setMaster(weight, master);
  else freeSlot(master);
  return weight;
}
