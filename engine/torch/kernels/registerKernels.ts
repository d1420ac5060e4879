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
  // the engine `tfjs` brings its kernels with this package; loading it only here spares everyone else the time
  require('@tensorflow/tfjs');
  const having = tf.getKernel(kernelName, 'cpu') ? 'engines that have it: tfjs' : 'no engine has it';
  return new Error(`the torch engine has no kernel for the operation ${kernelName} (${having})`);
}

let registered = false;

/** Gives tfjs every kernel of the torch backend, once. Operations without one say so, and name the engines having it. */
export function registerKernels(): void {
  if (registered) return;
  registered = true;
  defineElementwiseKernels();
  defineReductionKernels();
  defineShapeKernels();
  defineIndexingKernels();
  defineMatmulKernels();
  defineCreationKernels();
  for (const name of knownKernels()) {
    if (tf.getKernel(name, 'torch')) continue;
    defineKernel(name, () => {
      throw missing(name);
    });
  }
}
