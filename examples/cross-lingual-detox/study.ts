import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { data, importModel, model, runCommand, scorers } from './runCommand';

/*
 * The full study, some hours on two cores: Gemma 3 270M trained at two learning rates on all ParaDetox pairs, base and both tuned
 * models evaluated on RTP-LX prompts, retrieval on parallel sentences, and the comparison, in which the higher rate must be flagged
 * as collapsed. Interrupted, it goes on where it stopped when started again.
 *
 *   node dist/examples/cross-lingual-detox/study.js RTP_LX_FOLDER PARALLEL_FOLDER OUTPUT_FOLDER
 */

const RATES = ['2e-6', '1e-5'];
const training = [
  '--batch-size',
  '8',
  '--max-steps',
  '600',
  '--warmup-steps',
  '150',
  '--save-every-steps',
  '100',
  '--keep-checkpoints',
  '1',
];
const sampling = ['--limit', '50', '--samples', '10', '--max-new-tokens', '20', '--temperature', '0.9', '--top-p', '0.8'];

const folders = process.argv.slice(2);
if (folders.length !== 3) {
  process.stderr.write('error: three folders are wanted: RTP_LX_FOLDER PARALLEL_FOLDER OUTPUT_FOLDER\n');
  process.exit(1);
}
const [prompts, parallel, output] = folders.map((folder) => resolve(folder));
const evaluation = ['--fluency-model', model, '--prompts', prompts, '--scorer', scorers, ...sampling, '--resume'];

importModel();
for (const rate of RATES) {
  const run = join(output, rate);
  if (existsSync(join(run, 'model'))) continue;
  const pairs = ['--train', join(data, 'paradetox.tsv'), '--learning-rate', rate];
  runCommand('dpo-train', '--model', model, ...pairs, ...training, '--output', run, '--resume');
}
const base = join(output, 'base-eval');
runCommand('dpo-eval', '--model', model, '--tasks', 'toxicity,retrieval', '--parallel', parallel, ...evaluation, '--output', base);
for (const rate of RATES) {
  const tuned = ['--model', join(output, rate, 'model'), '--tasks', 'toxicity'];
  runCommand('dpo-eval', ...tuned, ...evaluation, '--output', join(output, `${rate}-eval`));
}
runCommand('dpo-compare', base, ...RATES.map((rate) => join(output, `${rate}-eval`)), '--output', join(output, 'report'), '--overwrite');
