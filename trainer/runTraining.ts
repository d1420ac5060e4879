import { join } from 'node:path';
import { pairsHash } from '../datasets/pairsHash';
import { currentEngine } from '../engine/engine';
import { disposeModel, loadModel } from '../models/loadModel';
import { templateDay } from '../models/templateDay';
import { UserError } from '../util/errors';
import { flagName } from '../util/optionIssues';
import type { Progress } from '../util/progress';
import { batchPlan, type BatchPlan } from './batchPlan';
import { bestLine, bestModelRule, isExhausted, stoppedLine } from './bestModel';
import { lastCheckpoint, type Checkpoint } from './checkpoint';
import { evaluate } from './evaluate';
import { quantizationOf } from './loraOptions';
import { openMetricsLog } from './metricsLog';
import type { Optimizer } from './optimizer';
import { runConfigKeys, runConfigSchema, writtenConfig, type RunConfig } from './runConfig';
import { readData, runReferences } from './runData';
import { evaluationsSoFar, runCheckpoints } from './runCheckpoints';
import { runLoss } from './runLoss';
import { checkRunFolder, prepareRunFolder } from './runFolder';
import { warmupLength } from './schedule';
import { checkAdapter, startingModel, startingPoint } from './startingPoint';
import { requireGraphs, stepGradients } from './stepGradients';
import { train, type TrainState } from './train';

/** How a run talks to whoever started it. */
export interface RunHost {
  progress: Progress;
  /** A line for people. */
  say: (line: string) => void;
  /** Asked between steps: true ends the run there, with a checkpoint. */
  shouldStop: () => boolean;
}

export interface RunOutcome {
  /** Updates made, of how many. */
  step: number;
  totalSteps: number;
  /** The trained model's folder; absent when the run was stopped. */
  modelFolder?: string;
  /** The checkpoint to go on from; absent when the run was stopped before its first step. */
  checkpointFolder?: string;
}

/** Options that may change when a run goes on: the rest would make its result one that no single command gives. */
const MAY_CHANGE = new Set<keyof RunConfig>([
  ...([
    'model',
    'adapter',
    'train',
    'eval',
    'output',
    'epochs',
    'maxSteps',
    'evalEverySteps',
    'saveEverySteps',
    'keepCheckpoints',
    'earlyStoppingPatience',
  ] as const),
  ...([
    'maxShardSize',
    'logEverySteps',
    'engine',
    'device',
    'precision',
    'recompute',
    'cudaGraphs',
    'cache',
    'resume',
    'overwrite',
  ] as const),
]);

/**
 * A whole training run on the current engine, from files to files: data, reference log-probabilities, training, the final model.
 * @throws UserError for anything wrong with the options or the files they name
 */
export async function runTraining(given: RunConfig, host: RunHost): Promise<RunOutcome> {
  await checkRunFolder(given);
  if (given.recompute === 'blocks' && currentEngine().name !== 'torch')
    throw new UserError(
      `--recompute blocks: the ${currentEngine().name} engine keeps everything that its gradients need; use --engine torch`,
    );
  requireGraphs(given);
  const folder = await startingModel(given, host);
  const checkpoint = given.resume ? await lastCheckpoint(given.output) : undefined;
  const day = { asked: given.chatTemplateDate, before: checkpoint?.state.config.chatTemplateDate };
  // what is written keeps the names that were given: a model on the hub, not its place in the cache
  const named = { ...given, chatTemplateDate: await templateDay(folder, day, host.say) };
  const config = { ...named, model: folder };
  await checkAdapter(config);
  const data = await readData(config, host);
  const { pairs, evalPairs } = data;
  const plan = batchPlan(pairs.length, config);
  const base = await loadModel(
    config.model,
    { trainable: config.loraRank === undefined, quantization: quantizationOf(config), cacheFolder: config.cache, warn: host.say },
    host.progress,
  );
  const isJudged = bestModelRule(config) !== undefined;
  const origin = { modelHash: base.contentHash, dataHash: pairsHash(pairs), ...(isJudged && { evalHash: pairsHash(evalPairs!) }) };
  let model = base;
  let optimizer: Optimizer | undefined;
  try {
    if (checkpoint) checkSameRun(named, checkpoint, origin);
    const options = { cacheFolder: config.cache, batchSize: config.batchSize, tailWeight: config.ldAlpha, shouldStop: host.shouldStop };
    const references = await runReferences(base, data, plan, options, host.progress);
    if (!references) return { step: 0, totalSteps: plan.totalSteps };
    const { reference, evalReference } = references;
    ({ model, optimizer } = await startingPoint(named.model, config, base, checkpoint, host));
    const start: TrainState = checkpoint?.state ?? { step: 0, numTokens: 0, window: [] };
    start.evaluations = await evaluationsSoFar(config, start.evaluations, host.say);
    await prepareRunFolder(named, checkpoint !== undefined);
    const log = await openMetricsLog(join(config.output, 'metrics.jsonl'), start.step);
    const loss = runLoss(config);
    const checkpoints = runCheckpoints(config, { ...origin, seed: config.seed, config: writtenConfig(named) }, model, optimizer, start);
    const save = (state: TrainState): Promise<void> => checkpoints.save(state, plan.epochAfter(state.step));
    const evaluateNow = evalPairs && (() => evaluate(model, evalPairs, evalReference!, loss, config, host.progress));
    announce(config, plan, pairs.length, start.step, host);
    const source = { config, model, reference, loss };
    const { gradients, dispose } = stepGradients(source, plan, pairs, host.say);
    const run = { ...source, gradients, optimizer, pairs, plan, save, evaluate: evaluateNow, log: log.append };
    const end = await train({ ...run, shouldStop: host.shouldStop, progress: host.progress }, start).finally(dispose);
    const rule = bestModelRule(config);
    const isEarly = end.step < plan.totalSteps && isExhausted(end.evaluations, rule);
    const finished = isEarly || end.step >= plan.totalSteps;
    if (end.step > start.step && (!finished || config.saveEverySteps > 0)) await save(end);
    const checkpointFolder = checkpoints.latest();
    const where = { step: end.step, totalSteps: plan.totalSteps, ...(checkpointFolder !== undefined && { checkpointFolder }) };
    if (!finished) return where;
    if (isEarly) host.say(stoppedLine(rule!, end.step, plan.totalSteps));
    // the last step's weights are here, whatever became of its checkpoint
    if (end.evaluations?.best?.step !== end.step) end.evaluations = await evaluationsSoFar(config, end.evaluations, host.say);
    if (config.loadBestModelAtEnd) host.say(bestLine(rule!, end.evaluations!, end.step));
    return { ...where, modelFolder: await checkpoints.saveModel(end) };
  } finally {
    disposeModel(model);
    optimizer?.dispose();
  }
}

/** Refuses to go on with another model, other data or other options than the run began with. @throws UserError listing them */
function checkSameRun(
  config: RunConfig,
  { state }: Checkpoint,
  origin: Pick<Checkpoint['state'], 'modelHash' | 'dataHash' | 'evalHash'>,
): void {
  // an option that the checkpoint's version did not know was at what is its default now
  const before = (key: keyof RunConfig): unknown => state.config[key] ?? runConfigSchema.shape[key].safeParse(undefined).data;
  const shown = (value: unknown): string => (value === undefined ? 'not given' : String(value));
  // nor the day that its chat template wrote, which shows in the data alone
  const unknown = (key: keyof RunConfig): boolean => key === 'chatTemplateDate' && before(key) === undefined;
  const differences = runConfigKeys
    .filter((key) => !MAY_CHANGE.has(key) && !unknown(key) && config[key] !== before(key))
    .map((key) => `--${flagName(key)} was ${shown(before(key))}, now ${shown(config[key])}`);
  if (origin.modelHash !== state.modelHash) differences.push(`${config.model} is not the model that the run started from`);
  if (origin.dataHash !== state.dataHash) differences.push(`${config.train} does not hold the pairs that the run started with`);
  if (origin.evalHash !== undefined && state.evalHash !== undefined && origin.evalHash !== state.evalHash)
    differences.push(`${config.eval ?? config.train} does not hold the pairs on which the run's best evaluation was made`);
  if (differences.length === 0) return;
  throw new UserError(`cannot resume ${config.output}: ${differences.join('; ')}; --overwrite starts anew`);
}

function announce(config: RunConfig, plan: BatchPlan, pairs: number, step: number, host: RunHost): void {
  if (step > 0) host.say(`going on after step ${step}`);
  else if (config.resume) host.say(`no checkpoint in ${config.output} yet: starting at the first step`);
  const epochs = plan.epochAfter(plan.totalSteps);
  const size = Math.min(config.batchSize * config.gradientAccumulationSteps, pairs);
  host.say(
    `${plan.totalSteps} steps of ${size} pairs (${epochs.toFixed(2)} epochs), ${config.optimizer}, ` +
      `learning rate ${config.learningRate} (${config.schedule} after ${warmupLength(config, plan.totalSteps)} steps), beta ${config.beta}; results go to ${config.output}`,
  );
}
