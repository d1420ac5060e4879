/*
 * Times our DPO step on the pairs and the random-weight GPT-2 shape that bench/peers/trlStep.py gives TRL. With `precompute` false the
 * reference's forward pass is part of every step, as TRL has it by default.
 *
 *   node dist/bench/ours/dpoStep.js '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "pairs": "pairs.json"}'
 */
import * as tf from '@tensorflow/tfjs-core';
import { packPairs } from '../../datasets/pack';
import { completionLogProbs } from '../../models/packedForward';
import { trainStep } from '../../trainer/trainStep';
import { stepWork, type StepWork } from '../roofline';
import { printResult, startProgram, timed } from './program';
import { prepareSteps, stepDefaults } from './stepContext';

async function main(): Promise<void> {
  const options = await startProgram(stepDefaults);
  const { context, batchAt } = await prepareSteps(options);
  const work: StepWork[] = [];
  const times = await timed(options, (place) => {
    const batch = batchAt(place);
    if (!options.precompute) tf.tidy(() => completionLogProbs(context.model, batch.packed).chosen.dataSync());
    const { metrics, norm } = trainStep(context, [batch], 1e-6, place + 1);
    // the step is over when its values are here
    norm.dataSync();
    tf.dispose([metrics, norm]);
  });
  // the counts are a GPT-2's
  if (options.model) return printResult(times);
  for (let place = options.warmup; place < options.warmup + options.runs; place++)
    work.push(stepWork(options, packPairs(batchAt(place).indices.map((i) => context.pairs[i])), !options.precompute, 20));
  const mean = (of: (item: StepWork) => number): number => work.reduce((sum, item) => sum + of(item), 0) / work.length;
  printResult(times, { work: { flops: mean(({ flops }) => flops), bytes: mean(({ bytes }) => bytes) } });
}

void main();
