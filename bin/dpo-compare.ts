#!/usr/bin/env node
import './quickStart';
import { join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { UserError } from '../util/errors';
import { print, runCli, usageErrors } from './cli';

const FLAGS = ['output', 'overwrite', 'help', 'version'];

runCli(async () => {
  const argv = await yargs(hideBin(process.argv))
    .scriptName('dpo-compare')
    .parserConfiguration({ 'parse-positional-numbers': false })
    .usage('$0 BASE TUNED… --output DIR\n\nCompares evaluations with that of the base model: report.json, report.md and report.html.')
    .option('output', { type: 'string', demandOption: true, requiresArg: true, describe: 'folder for the report' })
    .option('overwrite', { type: 'boolean', describe: 'replace a report that is there' })
    .example('$0 runs/base runs/tuned --output runs/report', 'two output folders of dpo-eval')
    .demandCommand(0)
    .strictOptions()
    .fail(usageErrors(FLAGS))
    .wrap(100)
    .parse();
  const folders = argv._.map(String);
  if (folders.length < 2)
    throw new UserError(
      `expected the base's and at least one tuned model's output folder of dpo-eval; got ${folders.length || 'none'} (see --help)`,
    );
  if (Array.isArray(argv.output)) throw new UserError('--output: given more than once; give one folder');
  // loaded only now: --help and wrong options answer at once
  const { writeReport } = require('../report/writeReport') as typeof import('../report/writeReport');
  const { terminalTable } = require('../report/terminalTable') as typeof import('../report/terminalTable');
  const [base, ...tuned] = folders;
  const comparison = await writeReport(base, tuned, { output: argv.output, overwrite: argv.overwrite ?? false });
  const color = process.stdout.isTTY && !process.env.NO_COLOR;
  for (const run of comparison.runs) {
    print(`\n${run.name} against ${comparison.baseline.name}\n`);
    print(terminalTable(run, { color }));
  }
  print(`\nReport: ${join(argv.output, 'report.html')}`);
});
