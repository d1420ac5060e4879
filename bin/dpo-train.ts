#!/usr/bin/env node
import './quickStart';
import yargs from 'yargs';
import { removeUnfinished } from '../models/replaceFolder';
import { resolveRunConfig, runConfigSchema } from '../trainer/runConfig';
import { cliProgress, note, print, runCli, usageErrors } from './cli';
import { groupHelp, trainGroups } from './helpGroups';
import { schemaFlags } from './schemaFlags';

async function main(): Promise<void> {
  const { flags, given } = schemaFlags(runConfigSchema);
  const parser = yargs(process.argv.slice(2))
    .scriptName('dpo-train')
    .usage(
      '$0 --model DIR --train FILE --output DIR [options]\n$0 --preset NAME --train FILE --output DIR [options]\n\nTrains a language model on preference pairs with DPO.',
    )
    .options({
      ...flags,
      config: { type: 'string', describe: 'YAML file of options by the same names; flags override it', requiresArg: true },
    })
    .parserConfiguration({ 'duplicate-arguments-array': false, 'boolean-negation': false })
    .strict()
    .version()
    .help()
    .wrap(Math.min(120, process.stdout.columns || 120))
    .fail(usageErrors([...Object.keys(flags), 'config']));
  const argv = await groupHelp(parser, trainGroups, [...Object.keys(flags), 'config']).parse();
  const config = await resolveRunConfig(given(argv), argv.config);

  // loaded only now: --help and wrong options answer at once
  const { checkRunFolder } = require('../trainer/runFolder') as typeof import('../trainer/runFolder');
  await checkRunFolder(config);
  const { engineLine } = require('../engine/engine') as typeof import('../engine/engine');
  const { startEngine } = require('../engine/startEngine') as typeof import('../engine/startEngine');
  const { runTraining } = require('../trainer/runTraining') as typeof import('../trainer/runTraining');
  const { engine, device, precision, tf32 } = config;
  const started = await startEngine({ engine, device, precision, tf32 });
  print(engineLine(started));
  if (config.preset !== undefined) print(`preset ${config.preset}: the settings of arXiv 2406.16235, where none of your own override them`);

  const { progress, stop } = cliProgress();
  const stopping = stopOnSignals();
  const outcome = await runTraining(config, { progress, say: print, shouldStop: stopping });
  stop();
  // the kernel counts it anyway; not in metrics.jsonl, which is the same in every run
  print(`memory: at most ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB of this machine's`);
  if (outcome.modelFolder !== undefined) {
    print(`model: ${outcome.modelFolder}`);
    print(`metrics: ${config.output}/metrics.jsonl`);
    return;
  }
  const goOn = `go on with the same command and --resume (or: dpo-train --config ${config.output}/config.json --resume)`;
  if (outcome.step > 0) note(`stopped after step ${outcome.step} of ${outcome.totalSteps}; ${goOn}`);
  else note('stopped before the first step; what was computed is in the cache: go on with the same command and --resume');
  process.exitCode = 130;
}

/** The first Ctrl-C (or SIGTERM) asks the run to end at the step's end, the second ends it at once. */
function stopOnSignals(): () => boolean {
  let asked = false;
  const onSignal = (): void => {
    if (asked) {
      // half a model may be gigabytes
      removeUnfinished();
      process.exit(130);
    }
    asked = true;
    note('stopping at the end of this step, with a checkpoint (again: stop at once, without)');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return () => asked;
}

runCli(main);
