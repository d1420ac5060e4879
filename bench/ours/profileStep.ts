/*
 * Where one DPO step's time goes: by kernel, as libtorch's profiler counts it, and by layer of this project: inside libtorch, packing, and
 * the engine's TypeScript (tfjs's dispatch, `tidy`, our kernels' own code) in microseconds an operation.
 *
 *   node dist/bench/ours/profileStep.js '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "pairs": "pairs.json"}'
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { torch, type Binding } from '../../engine/torch/binding';
import { buildBinding } from '../../engine/torch/build';
import { locateTorch } from '../../engine/torch/locate';
import type { StepBatch } from '../../trainer/stepInputs';
import { trainStep } from '../../trainer/trainStep';
import { packageRoot } from '../../util/packageRoot';
import { silent } from '../../util/progress';
import { selfTimes, type ProfilerEvent } from '../profiler/selfTimes';
import { printResult, startProgram, timed } from './program';
import { prepareSteps, stepDefaults } from './stepContext';

/** The binding's functions by what they do; kernels of ours count as operators. */
const WORKING = {
  operators: [
    ...(['call', 'packedAttention', 'runsAttention', 'headForward', 'headBackward', 'ensureGrad', 'onePassUpdate'] as const),
    ...(['quantizedLinear', 'quantizedNorms', 'dequantized', 'sampleNucleus'] as const),
  ],
  backward: ['backward'],
  transfers: ['fromBytes', 'toBytes'],
  slots: ['free', 'alias', 'shape', 'detach', 'takeGrad', 'needsGrad', 'requiresGrad', 'recording'],
} as const;

type Spent = Record<keyof typeof WORKING, { count: number; ms: number }>;

/** Counts and times the binding's working functions from here on. */
function watch(binding: Binding): Spent {
  const functions = binding as unknown as Record<string, (...args: unknown[]) => unknown>;
  const entries = Object.entries(WORKING).map(([part, names]) => {
    const spent = { count: 0, ms: 0 };
    for (const name of names) {
      const original = functions[name];
      functions[name] = (...args) => {
        const began = performance.now();
        try {
          return original(...args);
        } finally {
          spent.ms += performance.now() - began;
          spent.count++;
        }
      };
    }
    return [part, spent] as const;
  });
  return Object.fromEntries(entries) as Spent;
}

async function main(): Promise<void> {
  const options = await startProgram({ ...stepDefaults, runs: 10 });
  const { context, batchAt } = await prepareSteps(options);
  let packing = 0;
  const step = (place: number): void => {
    const began = performance.now();
    const batch: StepBatch = batchAt(place);
    packing += performance.now() - began;
    const { metrics, norm } = trainStep(context, [batch], 1e-6, place + 1);
    norm.dataSync();
    tf.dispose([metrics, norm]);
  };
  await timed(options, step);

  const gpu = currentEngine().device !== 'cpu';
  const addon = await buildBinding(locateTorch(), silent, join(packageRoot(), 'bench/profiler/profiler.cc'));
  const profiler = require(addon) as { start(gpu: boolean): void; stop(): string };
  profiler.start(gpu);
  step(0);
  const events = JSON.parse(profiler.stop()) as ProfilerEvent[];
  const kernels = selfTimes(events.filter(([, onGpu]) => (onGpu === 1) === gpu));

  const spent = watch(torch());
  packing = 0;
  const others: number[] = [];
  const times = await timed({ ...options, warmup: 0 }, (place) => {
    const watched = (): number => packing + Object.values(spent).reduce((sum, { ms }) => sum + ms, 0);
    const [began, before] = [performance.now(), watched()];
    step(place);
    others.push(performance.now() - began - (watched() - before));
  });
  const { operators, backward, transfers, slots } = spent;
  // the median: where another process takes the processor for a while, the mean shows that
  const engine = others.sort((a, b) => a - b)[others.length >> 1];
  const share = (ms: number): number => ms / times.length;
  printResult(times, {
    kernels: kernels.slice(0, 15),
    kernelsMs: kernels.reduce((sum, { ms }) => sum + ms, 0),
    parts: [
      { name: 'packing the pairs', ms: share(packing) },
      { name: gpu ? 'launching operators' : 'operators in libtorch', ms: share(operators.ms), count: operators.count / times.length },
      { name: gpu ? "launching libtorch's backward" : "libtorch's backward", ms: share(backward.ms), count: backward.count / times.length },
      {
        name: gpu ? 'transfers, waiting for the GPU included' : 'transfers from and to JavaScript',
        ms: share(transfers.ms),
        count: transfers.count / times.length,
      },
      { name: 'freeing tensors and naming them', ms: share(slots.ms), count: slots.count / times.length },
      { name: "the engine's TypeScript", ms: engine },
    ],
    overheadMicroseconds: (1000 * engine * times.length) / operators.count,
  });
}

void main();
