#!/usr/bin/env node
import './quickStart';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import yargs from 'yargs';
import { estimateConfigKeys, estimateConfigSchema, resolveEstimateConfig, type EstimateConfig } from '../trainer/estimateConfig';
import { flagName } from '../util/optionIssues';
import type { StepParts } from '../trainer/stepTime';
import { duration, note, print, runCli, usageErrors } from './cli';
import { schemaFlags } from './schemaFlags';

async function main(): Promise<void> {
  const { flags, given } = schemaFlags(estimateConfigSchema);
  const argv = await yargs(process.argv.slice(2))
    .scriptName('dpo-estimate')
    .usage('$0 --model MODEL [options]\n\nParameters, memory and time of a dpo-train step, without loading the model.')
    .options(flags)
    .parserConfiguration({ 'duplicate-arguments-array': false, 'boolean-negation': false })
    .strict()
    .version(false)
    .help()
    .wrap(Math.min(120, process.stdout.columns || 120))
    .fail(usageErrors(estimateConfigKeys.map(flagName)))
    .parse();
  const config = resolveEstimateConfig(given(argv));

  // loaded only now: --help and wrong options answer at once
  const { readConfigFile } = require('../models/readConfig') as typeof import('../models/readConfig');
  const { stepShape } = require('../trainer/stepShape') as typeof import('../trainer/stepShape');
  const { stepMemory } = require('../trainer/stepMemory') as typeof import('../trainer/stepMemory');
  const { secondsAt, stepSeconds, stepWork } = require('../trainer/stepTime') as typeof import('../trainer/stepTime');
  const { architecture, config: model } = await readConfigFile(await configFile(config.model));
  const shape = stepShape(architecture, model, config);
  const device = config.measure ? await startDevice(config) : config.device;
  const memory = stepMemory(shape, { ...config, device });

  print(
    `${config.model}: ${model.modelType}, ${count(shape.parameters)} parameters, ${count(shape.trained)} of them trained`.replace(
      / of them trained$/,
      config.loraRank === undefined ? ' of them trained' : ` trained beside them (LoRA of rank ${config.loraRank})`,
    ),
  );
  print(`a batch: ${config.batchSize} pairs, ${shape.rows} packed tokens, ${shape.targets} predicted`);
  const { peak, ...holders } = memory;
  for (const [name, bytes] of Object.entries(holders).filter(([name, bytes]) => name !== 'tile' || bytes > 0))
    print(`  ${name.padEnd(12)}${size(bytes).padStart(10)}`);
  print(`  ${'at most'.padEnd(12)}${size(peak).padStart(10)}  at a time, beside what Node and the engine take themselves`);

  const { tflops, bandwidth, measure, gradientAccumulationSteps: batches } = config;
  if (!measure && (tflops === undefined || bandwidth === undefined)) return print('time: give --measure, or --tflops and --bandwidth');
  const work = stepWork(shape, memory, config);
  const { measureStep } = require('../trainer/measureStep') as typeof import('../trainer/measureStep');
  const parts = measure ? await measureStep(architecture, model, config) : undefined;
  const seconds = parts ? stepSeconds(parts, batches) : secondsAt(work, { flops: tflops! * 1e12, bandwidth: bandwidth! * 1e9 });
  if (parts) printParts(parts, batches);
  const perSecond = (config.batchSize * batches) / seconds;
  print(
    `a step: ${milliseconds(seconds)} (${((work.layerFlops + work.headFlops) / 1e12).toPrecision(3)} TFLOP, ${size(work.bytes)} moved), ${perSecond.toPrecision(3)} pairs/s`,
  );
  if (config.pairs === undefined) return;
  const steps = Math.ceil(config.pairs / (config.batchSize * batches)) * config.epochs;
  print(`the run: ${steps} steps, ${duration(steps * seconds)}, the reference's log-probabilities and evaluations not counted`);
}

/** Where the model's config.json is; from the hub nothing else is fetched. */
async function configFile(source: string): Promise<string> {
  if (existsSync(source) && statSync(source).isFile()) return source;
  const { hubModel } = require('../util/hub/hubReference') as typeof import('../util/hub/hubReference');
  const repo = hubModel(source);
  if (!repo) return join(source, 'config.json');
  const { hubSnapshot } = require('../util/hub/hubSnapshot') as typeof import('../util/hub/hubSnapshot');
  return join(await hubSnapshot(repo, () => ['config.json'], { progress: () => {}, say: note }), 'config.json');
}

/** Starts the engine and says so. @returns where it computes */
async function startDevice({ engine, device, precision, tf32 }: EstimateConfig): Promise<string> {
  const { engineLine } = require('../engine/engine') as typeof import('../engine/engine');
  const { startEngine } = require('../engine/startEngine') as typeof import('../engine/startEngine');
  const started = await startEngine({ engine, device, precision, tf32 });
  print(engineLine(started));
  return started.device;
}

function printParts({ blocks, vocabulary, rest, update, firstSum, nextSum }: StepParts, batches: number): void {
  const lines: [string, number][] = [
    ['blocks', batches * blocks],
    ['vocabulary', batches * vocabulary],
    ['rest', batches * rest],
    ['accumulation', batches > 1 ? firstSum + (batches - 1) * nextSum : 0],
    ['optimizer', update],
  ];
  for (const [name, seconds] of lines.filter(([name, seconds]) => name !== 'accumulation' || seconds > 0))
    print(`  ${name.padEnd(12)}${milliseconds(Math.max(0, seconds)).padStart(10)}`);
}

const count = (number: number): string => number.toLocaleString('en');

function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

function milliseconds(seconds: number): string {
  return seconds < 1 ? `${(seconds * 1000).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

runCli(main);
