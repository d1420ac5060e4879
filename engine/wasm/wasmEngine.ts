import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../util/errors';
import type { Engine } from '../engine';
import { tfjsEngine } from '../tfjsEngine';
import { registerMissingKernels } from './missingKernels';

type Wasm = typeof import('@tensorflow/tfjs-backend-wasm');

const HOOKS = ['uncaughtException', 'unhandledRejection'];

/** All that a 32-bit address reaches: weights, gradients, optimizer state and what a step computes together. */
const MEMORY = 2 ** 32;
/** What the kernels may take for themselves: where they find nothing they abort the process. */
const RESERVE = 2 ** 26;

/**
 * Starts tfjs's WebAssembly backend: nothing but Node, one thread with SIMD instructions, 4 GiB.
 * Kernels that it lacks are registered; a full memory is a `UserError`.
 */
export async function wasmEngine(): Promise<Engine> {
  const engine = tfjsEngine('wasm', {
    name: 'wasm',
    device: 'cpu',
    description: `wasm (tfjs ${tf.version_core}) on cpu, 1 thread, float32: slow, and models must fit 4 GiB with gradients and optimizer state`,
  });
  const wasm = require('@tensorflow/tfjs-backend-wasm') as Wasm;
  // its threads are started from blob URLs, which Node's workers do not take
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  wasm.setWasmPaths(`${join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out')}/`);
  registerMissingKernels();
  const heard = HOOKS.map((hook) => process.listeners(hook as 'uncaughtException'));
  const started = await tf.setBackend('wasm');
  // Emscripten's glue rethrows what nobody caught: the commands' own one-line errors are to end the process
  HOOKS.forEach((hook, i) =>
    process
      .listeners(hook as 'uncaughtException')
      .filter((listener) => !heard[i].includes(listener))
      .forEach((listener) => process.off(hook, listener)),
  );
  if (!started) throw new UserError('--engine wasm: this Node does not run WebAssembly; use --engine torch');
  adapt(tf.backend() as InstanceType<Wasm['BackendWasm']>);
  return engine;
}

const adapted = new WeakSet<object>();

function adapt(backend: InstanceType<Wasm['BackendWasm']>): void {
  if (adapted.has(backend)) return;
  adapted.add(backend);
  // the module's declaration leaves its allocator out
  const wasm = backend.wasm as unknown as { _malloc(bytes: number): number; _free(place: number): void };
  // Emscripten's functions put themselves in place at their first call
  wasm._free(wasm._malloc(8));
  const allocate = wasm._malloc;
  wasm._malloc = (bytes) => {
    const place = bytes < MEMORY ? allocate(bytes) >>> 0 : 0;
    if (place > 0 && place + bytes <= MEMORY - RESERVE) return place;
    if (place > 0) wasm._free(place);
    // tfjs would go on and write at address 0
    throw outOfMemory(bytes);
  };
  // a loop that awaits results would otherwise never let the event loop run: Ctrl-C went unheard until its end
  backend.read = async (dataId) => {
    const values = backend.readSync(dataId);
    await setImmediate();
    return values;
  };
}

function outOfMemory(bytes: number): UserError {
  return new UserError(
    `the wasm engine's 4 GiB are full (${Math.ceil(bytes / 2 ** 20)} MiB more were asked for): ` +
      'take a smaller model or --batch-size, or --engine torch',
  );
}
