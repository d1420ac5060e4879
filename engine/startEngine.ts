import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../util/errors';
import { type Engine, type Precision, useEngine } from './engine';
import { hasNvidiaCard } from './nvidiaCard';
import { tfjsEngine } from './tfjsEngine';
import type { Torch } from './torch/locate';

export const ENGINES = ['auto', 'torch', 'tensorflow', 'wasm', 'tfjs'] as const;

export interface EngineOptions {
  /** `auto` takes torch where there is one, else tensorflow where that is set up, else wasm. `tfjs` is tfjs's plain JavaScript backend: it needs nothing, and is slow. */
  engine: (typeof ENGINES)[number];
  /** `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`. */
  device: string;
  precision: Precision;
  /** Lets a GPU's float32 matrix products round their factors to TF32 (10 bits of mantissa): several times as fast. */
  tf32?: boolean;
}

const TF32_NEEDS_GPU = '--tf32: TF32 is a precision of NVIDIA GPUs, and this engine runs on the CPU here; leave it out';

type Started = Promise<{ engine: Engine; reason: string }>;

/**
 * Starts the engine that the options ask for and makes it the one in use; its `reason` says why it is this one.
 * @throws UserError where it, its device or its precision cannot be had; the message says what to do
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const start = { auto: startBest, torch: startTorch, tensorflow: startTensorflow, wasm: startWasm, tfjs: startTfjs }[options.engine];
  const started = await start(options);
  const reason = options.engine === 'auto' ? started.reason : [`--engine ${options.engine}`, started.reason].filter(Boolean).join(', ');
  const engine = { ...started.engine, reason };
  useEngine(engine);
  return engine;
}

/**
 * Torch; where there is none tensorflow, if that is set up; else wasm, which needs nothing. A torch that is there and cannot run is an error
 * that says what to do: slowness that nobody asked for would be worse.
 */
async function startBest(options: EngineOptions): Started {
  const { findTorch } = await import('./torch/locate.js');
  const { torch, notices } = findTorch();
  if (torch || options.precision !== 'float32') return startTorch(options, torch);
  const noTorch = `${[...notices, 'no torch found'].join('; ')}: \`npm run build\` installs one, DPO_TORCH names one`;
  const { missingTensorflow } = await import('./tensorflow/build.js');
  if (missingTensorflow() === undefined) {
    const { engine } = await startTensorflow(options);
    return { engine, reason: noTorch };
  }
  if (!/^(auto|cpu)$/.test(options.device) || options.tf32) return startTorch(options);
  const { engine } = await startWasm(options);
  return { engine, reason: noTorch };
}

async function startTensorflow({ device, precision, tf32 = false }: EngineOptions): Started {
  if (precision !== 'float32')
    throw new UserError(`--precision ${precision}: the tensorflow engine knows float32 alone; use --engine torch`);
  if (!/^(auto|cpu|cuda(:\d+)?)$/.test(device)) throw new UserError(`--device ${device}: allowed are auto, cpu, cuda and cuda:N`);
  // heavy: only where it is wanted
  const { tensorflowEngine } = await import('./tensorflow/tensorflowEngine.js');
  const engine = await tensorflowEngine(device, tf32);
  if (tf32 && engine.device === 'cpu') throw new UserError(TF32_NEEDS_GPU);
  const seen =
    engine.device === 'cpu'
      ? hasNvidiaCard()
        ? 'this tensorflow sees no NVIDIA card'
        : 'no NVIDIA card found'
      : 'the NVIDIA card that tensorflow sees';
  return { engine, reason: device === 'auto' ? seen : `--device ${device}` };
}

function requirePlainCpu({ engine, device, precision, tf32 }: EngineOptions): void {
  if (device !== 'auto' && device !== 'cpu')
    throw new UserError(`--device ${device}: the ${engine} engine runs on the CPU alone; use --engine torch`);
  if (precision !== 'float32')
    throw new UserError(`--precision ${precision}: the ${engine} engine knows float32 alone; use --engine torch`);
  if (tf32) throw new UserError(TF32_NEEDS_GPU);
}

async function startWasm(options: EngineOptions): Started {
  requirePlainCpu(options);
  // heavy: only where it is wanted
  const { wasmEngine } = await import('./wasm/wasmEngine.js');
  return { engine: await wasmEngine(), reason: '' };
}

async function startTfjs(options: EngineOptions): Started {
  requirePlainCpu(options);
  const engine = tfjsEngine('cpu');
  await tf.setBackend('cpu');
  return { engine, reason: '' };
}

async function startTorch({ device, precision, tf32 = false }: EngineOptions, located?: Torch): Started {
  // heavy: only where torch is wanted
  const { cudaDevices, torchEngine } = await import('./torch/torchEngine.js');
  const torch = located ?? (await import('./torch/locate.js')).locateTorch();
  const wanted = /^(auto|cpu|cuda(?::(\d+))?)$/.exec(device);
  if (!wanted) throw new UserError(`--device ${device}: allowed are auto, cpu, cuda and cuda:N`);
  const devices = device === 'cpu' ? 0 : cudaDevices(torch);
  if (device === 'cpu' || (device === 'auto' && devices === 0)) {
    if (tf32) throw new UserError(TF32_NEEDS_GPU);
    const engine = await torchEngine(torch, 'cpu', precision);
    return { engine, reason: device === 'cpu' ? '--device cpu' : noGpuReason(hasNvidiaCard(), torch.cuda) };
  }
  const number = Number(wanted[2] ?? 0);
  if (number >= devices)
    throw new UserError(`--device ${device}: torch sees ${devices === 0 ? 'no CUDA device' : `CUDA devices 0 to ${devices - 1}`} here`);
  const engine = await torchEngine(torch, `cuda:${number}`, precision, tf32);
  return { engine, reason: device === 'auto' ? gpuReason(devices) : `--device ${device}` };
}

/** Why `--device auto` stays on the CPU. @param card whether the machine has an NVIDIA card @param cuda whether torch is built for one */
export function noGpuReason(card: boolean, cuda: boolean): string {
  if (!card) return 'no NVIDIA card found';
  return cuda
    ? 'there is an NVIDIA card, but torch cannot use it: its driver may be too old'
    : 'there is an NVIDIA card, but this torch is built for CPUs alone: DPO_TORCH may name another';
}

/** Why `--device auto` takes a GPU. */
export function gpuReason(devices: number): string {
  return devices === 1 ? 'the NVIDIA card that torch sees' : `the first of ${devices} NVIDIA cards`;
}
