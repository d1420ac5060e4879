/*
 * Where one DPO step's time goes: by kernel, as libtorch's profiler counts it, and by layer of this project: inside libtorch, packing, and
 * the engine's TypeScript (tfjs's dispatch, `tidy`, our kernels' own code) in microseconds an operation.
 *
 *   node dist/bench/ours/profileStep.js '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "pairs": "pairs.json"}'
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { torch } from '../../engine/torch/binding';
import { buildBinding } from '../../engine/torch/build';
import { locateTorch } from '../../engine/torch/locate';
import type { StepBatch } from '../../trainer/stepInputs';
import { trainStep } from '../../trainer/trainStep';
import { packageRoot } from '../../util/packageRoot';
import { silent } from '../../util/progress';
import { selfTimes, type ProfilerEvent } from '../profiler/selfTimes';
import { watch, type Part, type Watch } from '../profiler/watch';
import { summary } from '../summary';
import { printResult, startProgram, timed } from './program';
import { prepareSteps, stepDefaults, type StepOptions } from './stepContext';

type Steps = Awaited<ReturnType<typeof prepareSteps>>;

/** What steps took by part, means of a step; the median where nothing was watched: another process may take the processor for a while. */
interface Profile {
  times: number[];
  packing: number;
  parts: Watch['parts'];
  typeScript: number;
}

/** Runs steps under a watch. */
async function profiled(options: StepOptions, { context, batchAt }: Steps, { parts: spent, costMs }: Watch): Promise<Profile> {
  const names = Object.keys(spent) as Part[];
  const parts = Object.fromEntries(names.map((name) => [name, { count: 0, ms: 0 }])) as Watch['parts'];
  const others: number[] = [];
  let packing = 0;
  const times = await timed(options, (place) => {
    for (const name of names) Object.assign(spent[name], { count: 0, ms: 0 });
    const began = performance.now();
    const batch = batchAt(place);
    const packed = performance.now() - began;
    runStep(context, batch, place);
    let other = performance.now() - began - packed;
    if (place < options.warmup) return;
    packing += packed / options.runs;
    for (const name of names) {
      const { count, ms } = spent[name];
      other -= ms + count * costMs;
      parts[name].count += count / options.runs;
      parts[name].ms += ms / options.runs;
    }
    others.push(other);
  });
  return { times, packing, parts, typeScript: summary(others).median };
}

function runStep(context: Steps['context'], batch: StepBatch, place: number): void {
  const { metrics, norm } = trainStep(context, [batch], 1e-6, place + 1);
  norm.dataSync();
  tf.dispose([metrics, norm]);
}

/** A model with the same operations, which take no time in it, and steps of it after which V8 has compiled what they run. */
const small = (options: StepOptions): StepOptions => ({
  ...options,
  ...{ model: '', width: 8 * options.heads, vocabulary: 500, runs: 30, warmup: 150 },
});

async function main(): Promise<void> {
  const options = await startProgram({ ...stepDefaults, runs: 10 });
  const steps = await prepareSteps(options);
  for (let place = 0; place < options.warmup; place++) runStep(steps.context, steps.batchAt(place), place);

  const gpu = currentEngine().device !== 'cpu';
  const addon = await buildBinding(locateTorch(), silent, join(packageRoot(), 'bench/profiler/profiler.cc'));
  const profiler = require(addon) as { start(gpu: boolean): void; stop(): string };
  profiler.start(gpu);
  runStep(steps.context, steps.batchAt(0), 0);
  const events = JSON.parse(profiler.stop()) as ProfilerEvent[];
  const kernels = selfTimes(events.filter(([, onGpu]) => (onGpu === 1) === gpu));

  const watching = watch(torch());
  const threads = torch().threads();
  torch().threads(1);
  const warm = await profiled(small(options), await prepareSteps(small(options)), watching);
  torch().threads(threads);
  const { times, packing, parts, typeScript } = await profiled(options, steps, watching);
  const { operators, backward, transfers, slots } = parts;
  const microseconds = (profile: Profile): number => (1000 * profile.typeScript) / profile.parts.operators.count;
  printResult(times, {
    kernels: kernels.slice(0, 15),
    kernelsMs: kernels.reduce((sum, { ms }) => sum + ms, 0),
    parts: [
      { name: 'packing the pairs', ms: packing },
      { name: gpu ? 'launching operators' : 'operators in libtorch', ...operators },
      { name: gpu ? "launching libtorch's backward" : "libtorch's backward", ...backward },
      { name: gpu ? 'transfers, waiting for the GPU included' : 'transfers from and to JavaScript', ...transfers },
      { name: 'freeing tensors and naming them', ...slots },
      { name: "the engine's TypeScript", ms: typeScript },
    ],
    overheadMicroseconds: microseconds({ times, packing, parts, typeScript }),
    warmOverheadMicroseconds: microseconds(warm),
  });
}

void main();
