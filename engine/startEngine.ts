import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../util/errors';
import { type Engine, type Precision, useEngine } from './engine';
import { tfjsEngine } from './tfjsEngine';

export const ENGINES = ['auto', 'torch', 'wasm', 'tfjs'] as const;

export interface EngineOptions {
  /** `auto` takes torch. `tfjs` is tfjs's plain JavaScript backend: it needs nothing, and is slow. */
  engine: (typeof ENGINES)[number];
  /** `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`. */
  device: string;
  precision: Precision;
  /** Lets a GPU's float32 matrix products round their factors to TF32 (10 bits of mantissa): several times as fast. */
  tf32?: boolean;
}

const TF32_NEEDS_GPU = '--tf32: TF32 is a precision of NVIDIA GPUs, and this engine runs on the CPU here; leave it out';

/**
 * Starts the engine that the options ask for and makes it the one in use.
 * @throws UserError where it, its device or its precision cannot be had; the message says what to do
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const start = { auto: startTorch, torch: startTorch, wasm: startWasm, tfjs: startTfjs }[options.engine];
  const engine = await start(options);
  useEngine(engine);
  return engine;
}

function requirePlainCpu({ engine, device, precision, tf32 }: EngineOptions): void {
  if (device !== 'auto' && device !== 'cpu')
    throw new UserError(`--device ${device}: the ${engine} engine runs on the CPU alone; use --engine torch`);
  if (precision !== 'float32')
    throw new UserError(`--precision ${precision}: the ${engine} engine knows float32 alone; use --engine torch`);
  if (tf32) throw new UserError(TF32_NEEDS_GPU);
}

async function startWasm(options: EngineOptions): Promise<Engine> {
  requirePlainCpu(options);
  // heavy: only where it is wanted
  const { wasmEngine } = await import('./wasm/wasmEngine.js');
  return wasmEngine();
}

async function startTfjs(options: EngineOptions): Promise<Engine> {
  requirePlainCpu(options);
  const engine = tfjsEngine('cpu');
  await tf.setBackend('cpu');
  return engine;
}

async function startTorch({ device, precision, tf32 = false }: EngineOptions): Promise<Engine> {
  // heavy: only where torch is wanted
  const { cudaDevices, torchEngine } = await import('./torch/torchEngine.js');
  const wanted = /^(auto|cpu|cuda(?::(\d+))?)$/.exec(device);
  if (!wanted) throw new UserError(`--device ${device}: allowed are auto, cpu, cuda and cuda:N`);
  const devices = device === 'cpu' ? 0 : cudaDevices();
  if (device === 'cpu' || (device === 'auto' && devices === 0)) {
    if (tf32) throw new UserError(TF32_NEEDS_GPU);
    return torchEngine('cpu', precision);
  }
  const number = Number(wanted[2] ?? 0);
  if (number >= devices)
    throw new UserError(`--device ${device}: torch sees ${devices === 0 ? 'no CUDA device' : `CUDA devices 0 to ${devices - 1}`} here`);
  return torchEngine(`cuda:${number}`, precision, tf32);
}
