/*
 * What `dpo-estimate --measure` finds, by another clock if need be: seconds a step, its parts, and the most memory in bytes.
 *
 *   node dist/bench/ours/stepEstimate.js '{"model": "config.json", "given": {"batchSize": 4}, "clock": "processor"}'
 */
import { measureStep } from '../../trainer/measureStep';
import { stepMemory } from '../../trainer/stepMemory';
import { stepShape } from '../../trainer/stepShape';
import { stepSeconds } from '../../trainer/stepTime';
import { startEstimated } from './estimated';
import { clockOf, printResult } from './program';

async function main(): Promise<void> {
  const { options, architecture, config, estimate } = await startEstimated();
  const parts = await measureStep(architecture, config, estimate, clockOf(options.clock));
  const milliseconds = 1000 * stepSeconds(parts, estimate.gradientAccumulationSteps);
  printResult([milliseconds], { parts, peak: stepMemory(stepShape(architecture, config, estimate), estimate).peak });
}

void main();
