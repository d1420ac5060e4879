import { holdOut, type HeldOut } from '../datasets/holdOut';
import { readPairs } from '../datasets/readPairs';
import { tokenizePairs } from '../datasets/tokenizePairs';
import type { ReadPair, TokenizedPair } from '../datasets/types';
import { readConfig } from '../models/readConfig';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import type { Progress } from '../util/progress';
import { pairsInUse, type BatchPlan } from './batchPlan';
import { referenceLogProbs, type ReferenceLogProbs, type ReferenceOptions } from './referenceLogProbs';
import type { RunConfig } from './runConfig';

/** The pairs of a run. */
export interface RunData {
  pairs: TokenizedPair[];
  evalPairs?: TokenizedPair[];
  /** Where the pairs to evaluate on are held back from those to train on: all of them, and which are which. */
  split?: HeldOut & { all: TokenizedPair[] };
}

/** Where news of the work goes. */
interface Listener {
  progress: Progress;
  say: (line: string) => void;
}

/** Reads and tokenises the pairs to train and to evaluate on. @throws UserError for what cannot be read, or when no pair is left to train on */
export async function readData(config: RunConfig, host: Listener): Promise<RunData> {
  const { maxPositions } = (await readConfig(config.model)).config;
  const open = async (source: string): Promise<{ source: string; pairs: ReadPair[] }> => {
    const { pairs, notes } = await readPairs(source, host.progress);
    for (const note of notes) host.say(note);
    return { source, pairs };
  };
  const tokenize = ({ source, pairs }: { source: string; pairs: ReadPair[] }): Promise<TokenizedPair[]> => {
    const { applyChatTemplate, maxCharacters, maxPromptLength, maxCompletionLength, maxLength } = config;
    const where = { modelFolder: config.model, cacheFolder: config.cache, maxPositions, source };
    const bounds = { maxCharacters, maxPromptLength, maxCompletionLength, maxLength };
    const options = { ...where, ...bounds, applyChatTemplate, templateDay: config.chatTemplateDate, say: host.say };
    return tokenizePairs(pairs, options, host.progress);
  };
  // both files before either is tokenised, which takes long
  const train = await open(config.train);
  const evaluation = config.eval === undefined ? undefined : await open(config.eval);
  const all = await tokenize(train);
  if (config.evalFraction > 0) {
    const split = holdOut(all.length, config.evalFraction, config.seed);
    if (split.train.length === 0)
      throw new UserError(`${config.train}: --eval-fraction ${config.evalFraction} leaves none of its ${all.length} pairs to train on`);
    const at = (places: number[]): TokenizedPair[] => places.map((i) => all[i]);
    host.say(`${split.train.length} pairs to train on from ${config.train}, ${split.heldOut.length} held back to evaluate on`);
    return { pairs: at(split.train), evalPairs: at(split.heldOut), split: { all, ...split } };
  }
  host.say(`${all.length} pairs to train on from ${config.train}`);
  if (!evaluation) return { pairs: all };
  const evalPairs = await tokenize(evaluation);
  host.say(`${evalPairs.length} pairs to evaluate on from ${config.eval}`);
  return { pairs: all, evalPairs };
}

/**
 * Reference log-probabilities of the training pairs that the plan uses and of all evaluation pairs. Pairs of one file share one cache,
 * however they are split.
 * @returns `undefined` when told to stop
 */
export async function runReferences(
  model: Model,
  { pairs, evalPairs, split }: RunData,
  plan: BatchPlan,
  options: ReferenceOptions,
  progress: Progress,
): Promise<{ reference: ReferenceLogProbs; evalReference?: ReferenceLogProbs } | undefined> {
  const used = pairsInUse(plan);
  if (split) {
    const needed = [...used.map((i) => split.train[i]), ...split.heldOut];
    const values = await referenceLogProbs(model, split.all, needed, options, progress);
    return values && { reference: at(values, split.train), evalReference: at(values, split.heldOut) };
  }
  const reference = await referenceLogProbs(model, pairs, used, options, progress);
  if (!reference || !evalPairs) return reference && { reference };
  const evalReference = await referenceLogProbs(model, evalPairs, [...evalPairs.keys()], options, progress);
  return evalReference && { reference, evalReference };
}

function at({ chosen, rejected }: ReferenceLogProbs, places: readonly number[]): ReferenceLogProbs {
  return { chosen: Float32Array.from(places, (i) => chosen[i]), rejected: Float32Array.from(places, (i) => rejected[i]) };
}
