import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { data, importModel, model, runCommand, scorers } from './runCommand';

/*
 * The full study, some hours on two cores: Gemma 3 270M trained on all ParaDetox pairs at two learning rates, the lower one stopped early
 * and run on; base and tuned models evaluated on RTP-LX prompts, retrieval on parallel sentences, and the comparison, in which runs that
 * went too far must be flagged as collapsed. Interrupted, it goes on where it stopped when started again.
 *
 *   node dist/examples/cross-lingual-detox/study.js RTP_LX_FOLDER PARALLEL_FOLDER OUTPUT_FOLDER [PROMPTS_A_LANGUAGE]
 */

const RUNS = [
  { name: '2e-6', rate: '2e-6' },
  { name: '1e-5', rate: '1e-5' },
];
/** Steps of the lower rate after which the model is evaluated too: the rate is constant, so it is what a shorter run would have made. */
const EARLY = 200;
const training = ['--batch-size', '8', '--max-steps', '600', '--warmup-steps', '150', '--save-every-steps', `${EARLY}`];
const sampling = ['--samples', '10', '--max-new-tokens', '20', '--temperature', '0.9', '--top-p', '0.8'];

const [folders, [limit = '50', ...rest]] = [process.argv.slice(2, 5), process.argv.slice(5)];
if (folders.length !== 3 || rest.length > 0) {
  process.stderr.write('error: RTP_LX_FOLDER PARALLEL_FOLDER OUTPUT_FOLDER [PROMPTS_A_LANGUAGE] are wanted\n');
  process.exit(1);
}
const [prompts, parallel, output] = folders.map((folder) => resolve(folder));
const evaluation = ['--fluency-model', model, '--prompts', prompts, '--scorer', scorers, '--limit', limit, ...sampling, '--resume'];

importModel();
for (const { name, rate } of RUNS) {
  const run = join(output, name);
  if (existsSync(join(run, 'model'))) continue;
  const pairs = ['--train', join(data, 'paradetox.tsv'), '--learning-rate', rate];
  runCommand('dpo-train', '--model', model, ...pairs, ...training, '--output', run, '--resume');
}
const tuned = [
  { name: `2e-6-${EARLY}`, folder: join(output, '2e-6', 'checkpoints', `step-${EARLY}`, 'model') },
  ...RUNS.map(({ name }) => ({ name, folder: join(output, name, 'model') })),
];
evaluate('base-eval', '--model', model, '--tasks', 'toxicity,retrieval', '--parallel', parallel);
for (const { name, folder } of tuned) evaluate(`${name}-eval`, '--model', folder, '--tasks', 'toxicity');
const evaluations = ['base', ...tuned.map(({ name }) => name)].map((name) => join(output, `${name}-eval`));
runCommand('dpo-compare', ...evaluations, '--output', join(output, 'report'), '--overwrite');

function evaluate(name: string, ...what: string[]): void {
  const folder = join(output, name);
  // eval.json is written last
  if (!existsSync(join(folder, 'eval.json'))) runCommand('dpo-eval', ...what, ...evaluation, '--output', folder);
}
