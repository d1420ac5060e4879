/*
 * Times sampled generation with a random-weight GPT-2, the work that bench/peers/generation.py gives transformers.
 *
 *   node dist/bench/ours/generation.js '{"layers": 6, "width": 256, "heads": 4, "vocabulary": 16000, "pairs": "pairs.json"}'
 */
import { generate } from '../../eval/generate';
import { readBenchPairs } from '../pairs';
import { printResult, startProgram, timed } from './program';
import { randomGpt2 } from './randomGpt2';
import { stepDefaults } from './stepContext';

async function main(): Promise<void> {
  const options = await startProgram({ ...stepDefaults, prompts: 16, samples: 8, tokens: 20, runs: 5, warmup: 1 });
  const model = randomGpt2(options, false);
  const prompts = readBenchPairs(options.pairs, options.vocabulary)
    .slice(0, options.prompts)
    .map(({ prompt }) => prompt);
  const times = await timed(options, async (place) => {
    await generate(model, prompts, {
      samples: options.samples,
      maxNewTokens: options.tokens,
      temperature: 0.9,
      topP: 0.8,
      stopIds: [],
      seed: place,
      streamKey: (prompt, sample) => [prompt, sample],
    });
  });
  printResult(times, { tokens: options.prompts * options.samples * options.tokens });
}

void main();
