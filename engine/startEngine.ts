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
}

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

function requirePlainCpu({ engine, device, precision }: EngineOptions): void {
  if (device !== 'auto' && device !== 'cpu')
    throw new UserError(`--device ${device}: the ${engine} engine runs on the CPU alone; use --engine torch`);
  if (precision !== 'float32')
    throw new UserError(`--precision ${precision}: the ${engine} engine knows float32 alone; use --engine torch`);
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

async function startTorch({ device, precision }: EngineOptions): Promise<Engine> {
  // heavy: only where torch is wanted
  const { cudaDevices, torchEngine } = await import('./torch/torchEngine.js');
  const wanted = /^(auto|cpu|cuda(?::(\d+))?)$/.exec(device);
  if (!wanted) throw new UserError(`--device ${device}: allowed are auto, cpu, cuda and cuda:N`);
  if (device === 'cpu') return torchEngine('cpu', precision);
  const devices = cudaDevices();
  if (device === 'auto') return torchEngine(devices > 0 ? 'cuda:0' : 'cpu', precision);
  const number = Number(wanted[2] ?? 0);
  if (number >= devices)
    throw new UserError(`--device ${device}: torch sees ${devices === 0 ? 'no CUDA device' : `CUDA devices 0 to ${devices - 1}`} here`);
  return torchEngine(`cuda:${number}`, precision);
}
