#!/usr/bin/env node
import './quickStart';
import yargs from 'yargs';
import { evalConfigSchema, resolveEvalConfig } from '../eval/evalConfig';
import { cliProgress, note, print, runCli, usageErrors } from './cli';
import { evalGroups, groupHelp } from './helpGroups';
import { schemaFlags } from './schemaFlags';

async function main(): Promise<void> {
  const { flags, given } = schemaFlags(evalConfigSchema);
  const parser = yargs(process.argv.slice(2))
    .scriptName('dpo-eval')
    .usage(
      '$0 --model DIR --output DIR [--prompts PATH] [--parallel PATH] [--pairs FILE] [options]\n\n' +
        'Measures a language model: toxicity of its continuations, bilingual sentence retrieval, preferences. Lists are separated by commas.',
    )
    .options(flags)
    .parserConfiguration({ 'duplicate-arguments-array': false, 'boolean-negation': false })
    .strict()
    .version()
    .help()
    .wrap(Math.min(120, process.stdout.columns || 120))
    .fail(usageErrors(Object.keys(flags)));
  const argv = await groupHelp(parser, evalGroups, Object.keys(flags)).parse();
  const config = resolveEvalConfig(given(argv));

  // loaded only now: --help and wrong options answer at once
  const { checkEvalFolder } = require('../eval/evalFolder') as typeof import('../eval/evalFolder');
  await checkEvalFolder(config);
  const { engineLine } = require('../engine/engine') as typeof import('../engine/engine');
  const { startEngine } = require('../engine/startEngine') as typeof import('../engine/startEngine');
  const { runEval } = require('../eval/runEval') as typeof import('../eval/runEval');
  print(engineLine(await startEngine(config)));

  stopOnSignals(config.output);
  const { progress, stop } = cliProgress();
  const results = await runEval(config, progress, print);
  stop();
  const { evalTable } = require('./evalTable') as typeof import('./evalTable');
  print('');
  evalTable(results).forEach(print);
  print(`\nresults: ${config.output}/eval.json`);
}

/** Finished batches and scores are on disk already, each written whole: stopping loses what is under way alone. */
function stopOnSignals(output: string): void {
  const onSignal = (): void => {
    note(`stopped; what is finished is kept in ${output}: go on with the same command and --resume`);
    process.exit(130);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
}

runCli(main);
