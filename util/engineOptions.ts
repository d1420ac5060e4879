import { z } from 'zod';
import { defaultCacheFolder } from './files';

/** The options that every command on the engine takes: zod fields with their defaults and help texts. `cached` names what the cache holds. */
export const engineOptions = (cached: string) => ({
  engine: z.enum(['auto', 'torch', 'tensorflow', 'wasm', 'tfjs']).default('auto').describe('tensor engine'),
  device: z
    .string()
    .regex(/^(auto|cpu|cuda(:\d+)?)$/, 'allowed: auto, cpu, cuda, cuda:N')
    .default('auto')
    .describe('auto, cpu, cuda or cuda:N'),
  precision: z
    .enum(['float32', 'bf16'])
    .default('float32')
    .describe('precision of the computation; trained weights stay float32 beside it'),
  tf32: z.boolean().default(false).describe('float32 matrix products on NVIDIA GPUs round their factors to TF32: faster, less exact'),
  cache: z.string().min(1).default(defaultCacheFolder).describe(`folder for ${cached}`),
});
