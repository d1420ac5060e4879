import * as tf from '@tensorflow/tfjs-core';
import type { Engine, GraphRecorder, Precision } from '../engine';
import { registerFused } from '../fused';
import { TorchBackend } from './backend';
import { type Slot, aten, freeSlot, loadBinding, scalarType, torch as loadedBinding } from './binding';
import { bindingPath, graphsPath } from './build';
import { decodeKernels } from './decodeKernels';
import { fusedKernels } from './fusedKernels';
import { graphRecorder, type GraphsAddon } from './graphRecorder';
import { headKernel } from './headKernel';
import { registerKernels } from './kernels/registerKernels';
import type { Torch } from './locate';
import { quantize, weightArguments } from './quantize';
import { recomputed, valueAndGrads, withoutRecording } from './recorder';
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
    quantizedParameter: (values, shape, quantization, inputFirst) => {
      const floats = backend.upload(values, shape);
      const quantized = withoutRecording(() => quantize(floats, quantization, inputFirst, device));
      freeSlot(floats);
      return backend.quantizedVariable(quantized, shape);
    },
    readParameter: (weight) => readParameter(backend, weight),
    valueAndGrads: (f, weights) => valueAndGrads(backend, f, weights),
    recomputed: (f, inputs) => recomputed(backend, f, inputs),
    ...(device === 'cpu' ? {} : onGpu(torch, backend)),
  };
}

/** What only a GPU's engine has. */
function onGpu(torch: Torch, backend: TorchBackend): Pick<Engine, 'graphRecorder' | 'peakMemory' | 'freeMemory'> {
  const { device } = backend;
  // a launched graph takes its memory from no allocator: what its recording took counts for each launch
  let [recorded, unread] = [0, 0];
  const peak = (): number => loadedBinding().peakMemory(device);
  const aroundRecording = <T>(f: () => T): T => {
    unread = Math.max(unread, peak());
    const result = f();
    recorded = Math.max(recorded, peak());
    return result;
  };
  let recorder: GraphRecorder | undefined;
  return {
    graphRecorder: () => {
      const addon = graphsPath(torch);
      if ('missing' in addon) return addon.missing;
      try {
        return (recorder ??= graphRecorder(backend, require(addon.path) as GraphsAddon, aroundRecording));
      } catch (error) {
        return (error as Error).message.split('\n')[0];
      }
    },
    peakMemory: () => {
      const most = Math.max(unread, recorded, peak());
      unread = 0;
      return most;
    },
    freeMemory: () => loadedBinding().freeMemory(device),
  };
}

/** How many CUDA devices this torch sees. */
export function cudaDevices(torch: Torch): number {
  return loadBinding(bindingPath(torch)).cudaDevices();
}

const transpose = aten('transpose.int');

function readParameter(backend: TorchBackend, weight: tf.Variable): Float32Array {
  const quantized = backend.quantizedOf(weight);
  if (!quantized) return backend.readFloats(backend.masterOf(weight));
  return withoutRecording(() => {
    const whole = loadedBinding().dequantized(...weightArguments(quantized));
    const turned = quantized.transposed ? transpose(whole, 0, 1) : whole;
    const values = backend.readFloats(turned);
    if (turned !== whole) freeSlot(turned);
    freeSlot(whole);
    return values;
  });
}

function parameter(backend: TorchBackend, values: Float32Array, shape: readonly number[], trainable: boolean, exact: boolean): tf.Variable {
  const master: Slot = backend.upload(values, shape);
  if (exact || backend.floating === scalarType.float32) return backend.variable(master, trainable);
  const weight = backend.variable(cast(master, backend.floating), trainable);
  if (trainable) backend.setMaster(weight, master);
  else freeSlot(master);
  return weight;
}
