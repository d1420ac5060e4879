/*
 * Holds what `dpo-estimate --measure` says of training steps against real ones: the two run in turn, each in a process of its own, some rounds; the
 * least estimate against the fastest step. `--clock processor` compares the time that one thread spends on a processor, which other programs
 * hardly lengthen: on a busy machine the other tells little. Writes the clock's table in docs/memory.md.
 *
 *   node dist/bench/estimates.js [--clock processor] [--rounds 3] [--only gemma,lora] [--output FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import yargs from 'yargs';
import { cliProgress, print, runCli, usageErrors } from '../bin/cli';
import { UserError } from '../util/errors';
import { packageRoot } from '../util/packageRoot';
import { hardware } from './hardware';
import { writeSection } from './markdown';
import { checkRounds, chosenNames } from './options';
import type { Printed } from './ours/program';
import { runProgram } from './runProgram';
import { estimatesTable } from './tables';

type Json = Readonly<Record<string, unknown>>;

/** A GPT-2 of 10 M parameters, Llamas of 45 M and of SmolLM2-135M's shape, Gemma 3 270M's shape. */
const MODELS = {
  gpt2: { model_type: 'gpt2', n_embd: 256, n_layer: 6, n_head: 4, n_positions: 2048, vocab_size: 16000 },
  llama: {
    ...{ model_type: 'llama', vocab_size: 32000, hidden_size: 384, intermediate_size: 1024, num_hidden_layers: 12 },
    ...{ num_attention_heads: 6, num_key_value_heads: 2, max_position_embeddings: 2048, rms_norm_eps: 1e-5, rope_theta: 1e4 },
    tie_word_embeddings: false,
  },
  smollm2: {
    ...{ model_type: 'llama', vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
    ...{ num_attention_heads: 9, num_key_value_heads: 3, max_position_embeddings: 8192, rms_norm_eps: 1e-5, rope_theta: 1e5 },
    tie_word_embeddings: true,
  },
  gemma: {
    ...{ model_type: 'gemma3_text', vocab_size: 262144, hidden_size: 640, intermediate_size: 2048, num_hidden_layers: 18, head_dim: 256 },
    ...{ num_attention_heads: 4, num_key_value_heads: 1, max_position_embeddings: 32768, rms_norm_eps: 1e-6, sliding_window: 512 },
    tie_word_embeddings: true,
  },
} satisfies Record<string, Json>;

interface Case {
  name: string;
  title: string;
  model: keyof typeof MODELS;
  /** Options of dpo-estimate. */
  given: Json;
  runs: number;
}

const CASES: readonly Case[] = [
  { name: 'gpt2', title: 'GPT-2, 9 M, 4 pairs', model: 'gpt2', given: { batchSize: 4 }, runs: 12 },
  { name: 'gpt2-16', title: 'GPT-2, 9 M, 16 pairs', model: 'gpt2', given: { batchSize: 16 }, runs: 6 },
  { name: 'bf16', title: 'GPT-2, 9 M, 4 pairs, bf16', model: 'gpt2', given: { batchSize: 4, precision: 'bf16' }, runs: 6 },
  { name: 'llama', title: 'Llama, 45 M, 8 pairs', model: 'llama', given: { batchSize: 8 }, runs: 4 },
  { name: 'recompute', title: '… `--recompute blocks`', model: 'llama', given: { batchSize: 8, recompute: 'blocks' }, runs: 4 },
  {
    ...{ name: 'accumulation', title: '… 2 pairs, `--gradient-accumulation-steps 4`', model: 'llama' },
    ...{ given: { batchSize: 2, gradientAccumulationSteps: 4 }, runs: 4 },
  },
  { name: 'smollm2', title: 'SmolLM2-135M, 4 pairs', model: 'smollm2', given: { batchSize: 4 }, runs: 3 },
  { name: 'lora', title: '… `--lora-rank 8`', model: 'smollm2', given: { batchSize: 4, loraRank: 8 }, runs: 3 },
  {
    name: 'qlora',
    title: '… and `--quantization nf4`',
    model: 'smollm2',
    given: { batchSize: 4, loraRank: 8, quantization: 'nf4' },
    runs: 3,
  },
  { name: 'gemma', title: 'Gemma 3 270M, 4 pairs', model: 'gemma', given: { batchSize: 4 }, runs: 2 },
];

const NAMES = CASES.map(({ name }) => name);

runCli(async () => {
  const flags = {
    only: { type: 'string', requiresArg: true, describe: `which runs, separated by commas: ${NAMES.join(', ')}` },
    clock: { choices: ['wall', 'processor'] as const, default: 'wall' as const, describe: "what time is; processor: one thread's own" },
    rounds: { type: 'number', requiresArg: true, default: 3, describe: 'times that estimate and steps run, in turn' },
    device: { choices: ['cpu', 'cuda'] as const, default: 'cpu' as const, describe: 'where both run' },
    output: { type: 'string', requiresArg: true, describe: 'file whose table is replaced (docs/memory.md)' },
  } as const;
  const argv = await yargs(process.argv.slice(2))
    .scriptName('node dist/bench/estimates.js')
    .options(flags)
    .strict()
    .version(false)
    .fail(usageErrors(Object.keys(flags)))
    .parse();
  const { rounds, clock, device } = argv;
  checkRounds(rounds);
  const chosen = chosenNames(argv.only, NAMES);
  const cases = CASES.filter(({ name }) => chosen.includes(name));
  const machine = hardware(device === 'cuda');
  if (clock === 'processor') process.env.OMP_NUM_THREADS = '1';
  const folder = mkdtempSync(join(tmpdir(), 'dpo-estimates-'));
  const { progress, stop } = cliProgress();
  try {
    for (const [name, config] of Object.entries(MODELS)) writeFileSync(join(folder, `${name}.json`), JSON.stringify(config));
    const outcomes = cases.map(() => ({ estimates: [] as Printed[], steps: [] as Printed[] }));
    for (let round = 0; round < rounds; round++)
      for (const [i, { title, model, given, runs }] of cases.entries()) {
        progress({ stage: 'estimates and steps', done: round * cases.length + i, total: rounds * cases.length, fields: { now: title } });
        const options = { model: join(folder, `${model}.json`), given: { ...given, device }, clock, runs };
        outcomes[i].estimates.push(await printed('stepEstimate', options));
        outcomes[i].steps.push(await printed('realStep', options));
      }
    stop();
    const table = estimatesTable(cases.map(({ title }, i) => ({ title, ...outcomes[i] })));
    const time = clock === 'wall' ? 'Time by the wall clock' : 'Time that one thread spends on a processor';
    const command = `node dist/bench/estimates.js${clock === 'wall' ? '' : ` --clock ${clock}`}${rounds === 3 ? '' : ` --rounds ${rounds}`}`;
    const versions = Object.values(outcomes[0].steps[0].versions).join(', node ');
    const said = `${new Date().toISOString().slice(0, 10)}, ${machine}. ${versions}. ${time}: the least of ${rounds} estimates over the fastest step, estimates and steps in turn. \`${command}\``;
    print(`\n${said}\n\n${table}`);
    if (argv.only === undefined || argv.output !== undefined)
      await writeSection(
        argv.output ?? join(packageRoot(), 'docs/memory.md'),
        `Estimated over real: ${device}, ${clock} clock`,
        `${said}\n\n${table}`,
      );
  } finally {
    stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function printed(script: string, options: Json): Promise<Printed> {
  const outcome = await runProgram('ours', { label: script, script, options });
  if ('missing' in outcome) throw new UserError(`${script}: ${outcome.missing}`);
  return outcome.printed;
}
