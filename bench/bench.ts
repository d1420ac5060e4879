import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import yargs from 'yargs';
import { cliProgress, print, runCli, usageErrors } from '../bin/cli';
import { UserError } from '../util/errors';
import { defaultCacheFolder } from '../util/files';
import { packageRoot } from '../util/packageRoot';
import type { Progress } from '../util/progress';
import { hardware } from './hardware';
import { writeSection } from './markdown';
import { measure, type MeasuredComparison } from './measure';
import { checkRounds, chosenNames } from './options';
import { writePairs, writeTexts } from './pairs';
import type { Peaks } from './roofline';
import { runProgram } from './runProgram';
import { comparisons, GROUPS, PAIRS_NEEDED, type Group, type SuiteOptions } from './suite';
import { comparisonTable, profileTables, rooflineTable } from './tables';

const TITLES: Readonly<Record<Group, string>> = {
  step: 'The DPO step',
  generation: 'Generation',
  logprobs: 'Token log-probabilities',
  attention: 'Attention over pairs',
  optimizer: 'The optimizer',
  import: 'Importing a GGUF file',
  gemma: 'A step of Gemma 3 270M',
  profile: 'Where a step’s time goes',
};

/**
 * `npm run bench`: times the parts of a run against their peers, program by program in turn, and writes the tables of docs/performance.md.
 */
runCli(async () => {
  const flags = {
    only: { type: 'string', requiresArg: true, describe: `what to measure, separated by commas: ${GROUPS.join(', ')}` },
    device: { choices: ['cpu', 'cuda'] as const, default: 'cpu' as const, describe: 'cuda measures the set for GPUs, in bf16' },
    quick: { type: 'boolean', default: false, describe: 'tiny sizes: whether everything runs; the tables are printed and not written' },
    rounds: { type: 'number', requiresArg: true, describe: 'times that each program runs, in turn (3; quick: 1)' },
    output: { type: 'string', requiresArg: true, describe: 'file whose tables are replaced (docs/performance.md)' },
    gguf: { type: 'string', requiresArg: true, describe: 'GGUF file to import (the one that the demo fetched)' },
    model: {
      type: 'string',
      requiresArg: true,
      describe: 'folder of Gemma 3 270M to train (the one that the demo imported); it is only read',
    },
    pairs: { type: 'string', requiresArg: true, describe: 'write the random pairs to this file and do nothing else' },
  } as const;
  const argv = await yargs(process.argv.slice(2))
    .scriptName('npm run bench --')
    .usage('$0 [options]\n\nTimes this project against its peers. DPO_BENCH_PYTHON names the python that has them (python3).')
    .options(flags)
    .strict()
    .version(false)
    .fail(usageErrors(Object.keys(flags)))
    .parse();
  if (argv.pairs !== undefined) return writePairs(argv.pairs, PAIRS_NEEDED);
  // importing takes no GPU: the other set has it
  const groups = chosenNames(argv.only, GROUPS).filter(
    (group) => argv.only !== undefined || (group === 'import' ? argv.device === 'cpu' : group !== 'gemma' || !argv.quick),
  );
  const rounds = argv.rounds ?? (argv.quick ? 1 : 3);
  checkRounds(rounds);
  if (argv.gguf !== undefined && !existsSync(argv.gguf)) throw new UserError(`--gguf ${argv.gguf}: there is no such file`);
  if (argv.model !== undefined && !existsSync(join(argv.model, 'config.json')))
    throw new UserError(`--model ${argv.model}: there is no config.json in it`);
  const gpu = argv.device === 'cuda';
  const folder = mkdtempSync(join(tmpdir(), 'dpo-bench-'));
  const { progress, stop } = cliProgress();
  try {
    const pairs = join(folder, 'pairs.json');
    writePairs(pairs, PAIRS_NEEDED);
    const model = argv.model ?? knownModel();
    const texts = join(folder, 'texts.json');
    if (model !== undefined && groups.includes('gemma')) await writeTexts(texts);
    const suite: SuiteOptions = {
      gpu,
      quick: argv.quick,
      device: argv.device,
      pairs,
      gguf: argv.gguf ?? knownGguf(argv.quick),
      model,
      texts,
    };
    const machine = hardware(gpu);
    const output = argv.output ?? (argv.quick ? undefined : join(packageRoot(), 'docs/performance.md'));
    for (const group of groups) {
      const { content, failed } = await section(group, suite, rounds, machine, progress);
      if (output !== undefined) await writeSection(output, `${TITLES[group]}, ${gpu ? 'GPU' : 'CPU'}`, content);
      print(`\n${TITLES[group]}\n\n${content}`);
      // a peer may be missing, a program of ours may not
      if (failed) process.exitCode = 1;
    }
  } finally {
    stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

function knownGguf(quick: boolean): string | undefined {
  const file = quick
    ? join(packageRoot(), 'test/goldens/gguf/tinyGemma3.gguf')
    : join(defaultCacheFolder(), 'models/gemma3-270m/gemma-3-270m-q4_k_m.gguf');
  return existsSync(file) ? file : undefined;
}

function knownModel(): string | undefined {
  const folder = join(defaultCacheFolder(), 'imported/gemma3-270m');
  return existsSync(join(folder, 'config.json')) ? folder : undefined;
}

/** Measures one group. @returns its section in Markdown, and whether a program of ours failed */
async function section(
  group: Group,
  suite: SuiteOptions,
  rounds: number,
  machine: string,
  progress: Progress,
): Promise<{ content: string; failed: boolean }> {
  const list = comparisons(group, suite);
  const measured: MeasuredComparison[] = [];
  for (const comparison of list) measured.push(await measure(comparison, group === 'profile' ? 1 : rounds, progress));
  const parts =
    group === 'profile'
      ? measured.map(profileTables)
      : [comparisonTable(measured), ...(group === 'step' ? [await roofline(measured, suite)] : [])];
  const failed = measured.some(({ ours }, i) => 'missing' in ours && list[i].missing === undefined);
  return { content: [provenance(group, suite, rounds, machine, measured), ...parts].join('\n\n'), failed };
}

/** Date, machine, versions and the command. */
function provenance(group: Group, suite: SuiteOptions, rounds: number, machine: string, measured: readonly MeasuredComparison[]): string {
  const versions = (list: readonly MeasuredComparison['ours'][]): string => {
    const merged = Object.assign({}, ...list.map((one) => ('missing' in one ? {} : one.printed.versions))) as Record<string, string>;
    return Object.entries(merged)
      .map(([name, version]) => (name === 'engine' ? version : `${name} ${version}`))
      .join(', ');
  };
  const ours = versions(measured.map((one) => one.ours));
  const peers = versions(measured.flatMap((one) => one.peers));
  const command = `npm run bench --${suite.gpu ? ' --device cuda' : ''} --only ${group}${suite.quick ? ' --quick' : ''}`;
  return [
    `${new Date().toISOString().slice(0, 10)}, ${machine}.`,
    ours && `Ours: ${ours}.`,
    peers && `Peers: ${peers}.`,
    `${rounds === 1 || group === 'profile' ? 'One round' : `${rounds} rounds, the programs in turn`}; minimum and median. \`${command}\``,
  ]
    .filter(Boolean)
    .join(' ');
}

async function roofline(measured: readonly MeasuredComparison[], { gpu, quick, device }: SuiteOptions): Promise<string> {
  const size = quick ? 256 : gpu ? 8192 : 2048;
  const options = { device, precision: gpu ? 'bf16' : 'float32', size, ...(quick && { runs: 1, warmup: 1, repeats: 1 }) };
  const outcome = await runProgram('ours', { label: 'peaks', script: 'peaks', options });
  return 'missing' in outcome ? `Roofline not measured: ${outcome.missing}.` : rooflineTable(measured, outcome.printed as unknown as Peaks);
}
