import { basename, join, resolve } from 'node:path';
import { readPairs } from '../datasets/readPairs';
import { tokenizePairs } from '../datasets/tokenizePairs';
import { loadChatTemplate } from '../models/chatTemplate';
import { localModel } from '../models/localModel';
import { modelHash } from '../models/modelHash';
import { readConfig } from '../models/readConfig';
import { loadTokenizer } from '../models/tokenizer';
import { templateDay } from '../models/templateDay';
import { dayStart } from '../util/calendarDay';
import { UserError } from '../util/errors';
import { writeAtomic } from '../util/files';
import type { Progress } from '../util/progress';
import { chosenQuantization } from '../util/quantizationOptions';
import { conditionalFluencyValues } from './conditionalFluency';
import { readsTemplate, writtenEvalConfig, type EvalConfig } from './evalConfig';
import { prepareEvalFolder, templateDayBefore } from './evalFolder';
import { modelShelf, type ModelShelf } from './modelShelf';
import { readParallel } from './parallel';
import { preferenceTask } from './preference';
import { readPrompts } from './prompts';
import { retrievalTask } from './retrieval';
import { createScorer } from './scorers/createScorer';
import { encodePrompts, generateContinuations } from './toxicityGeneration';
import { fluencyValues, scorerValues, toxicityResults } from './toxicityTask';
import type { EvalResults, Generation, Prompt, Scorer } from './types';

/** Pairs at once: two completions each, with their prompt once. */
const PAIRS_AT_ONCE = 16;

/**
 * Runs an evaluation's tasks on the current engine and writes its output folder: config.json first, eval.json last. All inputs are read and
 * checked before anything is written or loaded. Models are loaded one after the other: the policy does all of its work first, then the
 * fluency model, then the scorers' own models.
 * @param say a line for people about what was left out
 * @throws UserError for bad input
 */
export async function runEval(given: EvalConfig, progress: Progress, say: (line: string) => void): Promise<EvalResults> {
  // what is written keeps the names that were given: a model on the hub, not its place in the cache
  const local = await withLocalModels(given, progress, say);
  const day = readsTemplate(given, given.tasks)
    ? await templateDay(local.model, { asked: given.chatTemplateDate, before: await templateDayBefore(given) }, say)
    : undefined;
  const [named, config] = [given, local].map((options) => ({ ...options, chatTemplateDate: day }));
  const { output, cache } = config;
  const does = (task: EvalConfig['tasks'][number]): boolean => config.tasks.includes(task);
  const quantization = chosenQuantization(config.quantization, config.doubleQuantization);
  const hash = await modelHash(config.model, cache, quantization);
  const { languages, limit } = config;
  const prompts = does('toxicity') ? await readPrompts(config.prompts!, { languages, limit }) : null;
  const parallel = does('retrieval') ? await readParallel(config.parallel!, languages) : null;
  const pairs = does('preference') ? await readPairs(config.pairs!, progress) : null;
  pairs?.notes.forEach(say);
  const scorers: Scorer[] = [];
  if (prompts)
    for (const name of config.scorer)
      scorers.push(await createScorer(name, { candidates: scorerModels(config), cacheFolder: cache, hub: { progress, say } }));
  const twice = scorers.find(({ name }, i) => scorers.findIndex((other) => other.name === name) !== i);
  if (twice) throw new UserError(`--scorer names two that are both called ${twice.name}; give the folder of one another name`);
  const fluencyModel = await namedFluencyModel(config, progress, say);
  const reference = config.reference === undefined ? null : await readConfig(config.reference);
  const { config: policyConfig } = await readConfig(config.model);
  const maxPositions = Math.min(policyConfig.maxPositions, reference?.config.maxPositions ?? Infinity);
  const tokenized =
    pairs &&
    (await tokenizePairs(
      pairs.pairs,
      {
        modelFolder: config.model,
        cacheFolder: cache,
        maxPositions,
        source: config.pairs!,
        applyChatTemplate: config.applyChatTemplate,
        templateDay: day,
      },
      progress,
    ));

  const tokenizer = prompts || parallel ? await loadTokenizer(config.model) : null;
  const template = prompts && config.applyChatTemplate ? await loadChatTemplate(config.model, dayStart(day)) : null;
  const encoded = prompts && encodePrompts(tokenizer!, template, prompts, policyConfig.maxPositions, config.maxNewTokens);

  await prepareEvalFolder(named, hash, prompts);
  const results: EvalResults = {
    version: 1,
    model: { name: basename(resolve(named.model)), hash },
    options: writtenEvalConfig(named),
  };
  const shelf = modelShelf(cache, progress, say);
  try {
    const tuned = { folder: config.model, quantization };
    const other = config.reference === undefined ? [] : [{ folder: config.reference, quantization }];
    const policy = async () => (await shelf.take(tuned))[0];
    const generations = prompts && (await generateContinuations(policy, tokenizer!, prompts, encoded!, config, progress));
    if (parallel) results.retrieval = { languages: await retrievalTask(await policy(), tokenizer!, parallel, progress) };
    if (tokenized) {
      const options = { batchSize: PAIRS_AT_ONCE, beta: config.beta, file: join(output, 'preference.jsonl') };
      const [model, before] = await shelf.take(tuned, ...other);
      results.preference = await preferenceTask(model, before ?? null, tokenized, options, progress);
    }
    if (prompts && generations) {
      const logLikelihoods = fluencyModel && (await fluencyModel.values(prompts, encoded!, generations, shelf));
      shelf.clear();
      const values = [];
      for (const scorer of scorers) values.push(await scorerValues(scorer, generations, config, progress));
      results.toxicity = await toxicityResults(generations, scorers, values, logLikelihoods, output);
    }
  } finally {
    shelf.clear();
  }
  await writeAtomic(join(output, 'eval.json'), `${JSON.stringify(results, null, 2)}\n`);
  return results;
}

/** The fluency model, checked, and how it judges continuations; null where none is named. @throws UserError */
async function namedFluencyModel(named: EvalConfig, progress: Progress, say: (line: string) => void) {
  const { fluencyModel } = named;
  if (fluencyModel === undefined) return null;
  const { task } = await readConfig(fluencyModel, ['language', 'encoder-decoder']);
  const hash = await modelHash(fluencyModel, named.cache);
  const config = { ...named, fluencyModel };
  const values = async (
    prompts: Prompt[],
    encoded: Int32Array[],
    generations: Generation[],
    shelf: ModelShelf,
  ): Promise<(number | null)[]> => {
    if (task === 'language')
      return fluencyValues(
        async () => (await shelf.take({ folder: fluencyModel }))[0],
        hash,
        prompts,
        encoded,
        generations,
        config,
        progress,
      );
    // it is no model for the shelf: there may be no room for both
    shelf.clear();
    return conditionalFluencyValues(hash, prompts, generations, config, progress, say);
  };
  return { values };
}

async function withLocalModels(config: EvalConfig, progress: Progress, say: (line: string) => void): Promise<EvalConfig> {
  const { model, reference, fluencyModel, scorerModel } = config;
  const local: Record<string, string> = {};
  for (const [key, source] of Object.entries({ model, reference, fluencyModel, scorerModel }))
    if (source !== undefined) local[key] = await localModel(source, { progress, say });
  return { ...config, ...local };
}

/** Folders that may hold a probe's model, likeliest first. */
function scorerModels(config: EvalConfig): { option: string; folder: string }[] {
  if (config.scorerModel !== undefined) return [{ option: '--scorer-model', folder: config.scorerModel }];
  const named = [
    { option: '--fluency-model', folder: config.fluencyModel },
    { option: '--reference', folder: config.reference },
    { option: '--model', folder: config.model },
  ];
  return named.flatMap(({ option, folder }) => (folder === undefined ? [] : [{ option, folder }]));
}
