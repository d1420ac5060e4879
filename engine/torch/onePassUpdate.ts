import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../util/packageRoot';
import type { TorchBackend } from './backend';
import { type Slot, torch } from './binding';

const rules = { adam: 0, adamw: 1, rmsprop: 2, sgd: 3 } as const;

/** An update of all weights by updateKernel.cu. */
export interface OnePassUpdate {
  rule: keyof typeof rules;
  /** Float32, changed in place. */
  masters: readonly Slot[];
  /** Float32 or bf16. */
  gradients: readonly Slot[];
  /** Float32, changed in place: Adam's first moments, the momentum buffers of the others; empty without momentum. */
  firsts: readonly Slot[];
  /** Float32, changed in place: averages of the squared gradients; empty for SGD. */
  seconds: readonly Slot[];
  /** bf16, written: the weights' working copies; undefined where a weight has none. */
  copies: readonly (Slot | undefined)[];
  /** The gradients' norm, a float32 scalar on the device: where it is not finite, nothing changes. */
  norm: Slot;
  /** Gradients are divided by max(1, (norm + 1e-6) / maxNorm). */
  maxNorm: number;
  learningRate: number;
  weightDecay: number;
  /** Adam's beta1, or the momentum. */
  beta1: number;
  /** The decay of the squares' averages. */
  beta2: number;
  epsilon: number;
  /** Adam: 1 for the first update. */
  step: number;
}

/** Runs the kernel. @throws where the tensors do not fit each other: a bug of ours */
export function onePassUpdate(update: OnePassUpdate): void {
  const { rule, masters, gradients, firsts, seconds, copies, norm, maxNorm, learningRate, weightDecay, beta1, beta2, epsilon, step } =
    update;
  const moments = [beta1, 1 - beta1, beta2, 1 - beta2];
  const corrected = [learningRate / (1 - beta1 ** step), Math.sqrt(1 - beta2 ** step)];
  const settings = [rules[rule], learningRate, ...moments, epsilon, weightDecay, ...corrected, maxNorm];
  torch().onePassUpdate(masters, gradients, firsts, seconds, copies, norm, settings);
}

const ready = new WeakMap<TorchBackend, boolean>();

/**
 * Whether the backend's device runs the kernel: a GPU, once NVRTC has compiled it (the first call does). CPUs can, for tests, and are
 * faster by libtorch's operators. Where a GPU cannot, a warning of the process says why.
 */
export function hasOnePass(backend: TorchBackend): boolean {
  let able = ready.get(backend);
  if (able === undefined) {
    able = backend.device !== 'cpu' && compile(backend.device);
    ready.set(backend, able);
  }
  return able;
}

function compile(device: string): boolean {
  try {
    torch().compileUpdate(readFileSync(join(packageRoot(), 'engine/torch/updateKernel.cu'), 'utf8'), device);
    return true;
  } catch (error) {
    process.emitWarning(`the optimizer runs by libtorch's operators, slower: ${(error as Error).message}`);
    return false;
  }
}
