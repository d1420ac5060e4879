import * as tf from '@tensorflow/tfjs-core';
import { defineKernel } from '../backend';
import { defineCreationKernels } from './creation';
import { defineElementwiseKernels } from './elementwise';
import { defineIndexingKernels } from './indexing';
import { defineMatmulKernels } from './matmul';
import { defineReductionKernels } from './reduction';
import { defineShapeKernels } from './shape';

/** Every kernel name that tfjs knows: its core exports each as a string constant of that name. */
function knownKernels(): string[] {
  return Object.entries(tf as Readonly<Record<string, unknown>>)
    .filter(([name, value]) => value === name)
    .map(([name]) => name);
}

function missing(kernelName: string): Error {
  // plain tfjs brings its kernels with this package, and the wasm engine has all of them; loading it only here spares everyone else the time
  require('@tensorflow/tfjs');
  const having = tf.getKernel(kernelName, 'cpu') ? 'engines that have it: wasm, tfjs' : 'no engine has it';
  return new Error(`the torch engine has no kernel for the operation ${kernelName} (${having})`);
}

let registered: readonly string[] | undefined;

/**
 * Gives tfjs every kernel of the torch backend, once. Operations without one throw an error that names the engines having it.
 * @returns the names of the kernels that are there
 */
export function registerKernels(): readonly string[] {
  if (registered) return registered;
  defineElementwiseKernels();
  defineReductionKernels();
  defineShapeKernels();
  defineIndexingKernels();
  defineMatmulKernels();
  defineCreationKernels();
  registered = tf.getKernelsForBackend('torch').map((kernel) => kernel.kernelName);
  for (const name of knownKernels()) {
    if (registered.includes(name)) continue;
    defineKernel(name, () => {
      throw missing(name);
    });
  }
  return registered;
}
