import { join } from 'node:path';
import { data, importModel, model, root, runCommand, scorers } from './runCommand';

/*
 * `npm run demo`: the whole job on a real multilingual model, in minutes. Imports Gemma 3 270M, trains it with English-only DPO,
 * evaluates it before and after in 17 languages, and compares. Every step is one of the project's commands, printed as it is
 * run; what an earlier run left is used again.
 */

const runs = join(root, 'runs/demo');

/** Small enough for minutes on two cores: study.ts is the full run. */
const training = ['--max-steps', '30', '--batch-size', '8', '--learning-rate', '2e-6', '--warmup-steps', '10', '--save-every-steps', '0'];
const sampling = ['--samples', '2', '--limit', '20', '--max-new-tokens', '15', '--temperature', '0.9', '--top-p', '0.8'];
const evaluation = ['--fluency-model', model, '--prompts', join(data, 'prompts.jsonl'), '--scorer', scorers, ...sampling, '--resume'];

const [train, base, tuned, report] = ['train', 'base', 'tuned', 'report'].map((name) => join(runs, name));

importModel();
runCommand('dpo-train', '--model', model, '--train', join(data, 'paradetox.tsv'), '--output', train, ...training, '--overwrite');
const both = ['--tasks', 'toxicity,retrieval', '--parallel', join(data, 'parallel')];
runCommand('dpo-eval', '--model', model, ...both, ...evaluation, '--output', base);
runCommand('dpo-eval', '--model', join(train, 'model'), '--tasks', 'toxicity', ...evaluation, '--output', tuned);
runCommand('dpo-compare', base, tuned, '--output', report, '--overwrite');
