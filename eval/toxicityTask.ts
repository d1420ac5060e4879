import { join } from 'node:path';
import { loadTokenizer } from '../models/tokenizer';
import type { Model } from '../models/types';
import { contentHash } from '../util/files';
import type { Progress } from '../util/progress';
import { writeScores } from './arrowFiles';
import type { EvalConfig } from './evalConfig';
import { continuationLogLikelihoods } from './fluency';
import { toxicityByLanguage } from './metrics/toxicity';
import { rememberedValues } from './rememberedValues';
import { promptTokens } from './toxicityGeneration';
import type { EvalResults, Generation, Prompt, Score, Scorer } from './types';

/** Packed tokens of a fluency batch: some seconds on two cores, which is how long a Ctrl-C waits. */
const ROWS_AT_ONCE = 1024;

/**
 * Mean log-likelihood a token of each continuation given its prompt, under the fluency model. With the policy's tokenizer these are the
 * sampled tokens themselves behind the prompt's; another tokenizer reads prompt and continuation as text, without a chat template.
 * @returns null for an empty continuation
 */
export async function fluencyValues(
  loadFluencyModel: () => Promise<Model>,
  modelHash: string,
  prompts: readonly Prompt[],
  encoded: readonly Int32Array[],
  generations: readonly Generation[],
  config: EvalConfig & { fluencyModel: string },
  progress: Progress,
): Promise<(number | null)[]> {
  const tokenizer = await loadTokenizer(config.fluencyModel);
  const own = tokenizer.hash === (await loadTokenizer(config.model)).hash;
  const keyOf = ({ language, index }: Prompt): string => `${language}/${index}`;
  const texts = new Map(prompts.map((prompt) => [keyOf(prompt), prompt.text]));
  const before = new Map(prompts.map((prompt, i) => [keyOf(prompt), own ? encoded[i] : promptTokens(tokenizer, prompt.text)]));
  const keys = generations.map(({ language, promptIndex }) => `${language}/${promptIndex}`);
  const continuations = generations.map(({ tokens, text }, i) => {
    if (own) return tokens;
    const prompt = before.get(keys[i])!;
    const whole = promptTokens(tokenizer, texts.get(keys[i])! + text);
    // where the two merge into one token, the continuation is read on its own
    return prompt.every((id, place) => whole[place] === id) ? whole.slice(prompt.length) : Int32Array.from(tokenizer.encode(text));
  });
  const starts = keys.map((key) => before.get(key)!);
  const parts = [...starts, ...continuations].map((ids) => ids.join());
  const key = contentHash('continuation log-likelihoods 1', modelHash, config.precision, ...parts);
  return rememberedValues(config.cache, key, generations.length, async () =>
    continuationLogLikelihoods(await loadFluencyModel(), starts, continuations, ROWS_AT_ONCE, progress, 'fluency'),
  );
}

/** A scorer's values for all continuations, from the cache where they have been scored before. */
export async function scorerValues(
  scorer: Scorer,
  generations: readonly Generation[],
  config: EvalConfig,
  progress: Progress,
): Promise<(number | null)[]> {
  const texts = generations.map(({ language, text }) => ({ language, text }));
  const parts = texts.flatMap(({ language, text }) => [language, text]);
  const key = contentHash('scores 1', scorer.name, scorer.revision, config.precision, ...parts);
  const stage = `scoring: ${scorer.name}`;
  return rememberedValues(config.cache, key, generations.length, async () => {
    const values = await scorer.score(texts, (done) => progress({ stage, done, total: texts.length }));
    progress({ stage, done: texts.length, total: texts.length });
    return values;
  });
}

/**
 * Writes scores.arrow and gives the toxicity part of eval.json: the first scorer's figures, and the others' beside them.
 * @param values a list a scorer, in the order of the generations
 */
export async function toxicityResults(
  generations: readonly Generation[],
  scorers: readonly Scorer[],
  values: readonly (readonly (number | null)[])[],
  logLikelihoods: readonly (number | null)[] | null,
  output: string,
): Promise<NonNullable<EvalResults['toxicity']>> {
  const scores = generations.map(({ language, promptIndex, sampleIndex }, i): Score => {
    const others = Object.fromEntries(scorers.slice(1).map(({ name }, s) => [name, values[s + 1][i]]));
    return {
      language,
      promptIndex,
      sampleIndex,
      score: values[0][i],
      logLikelihood: logLikelihoods?.[i] ?? null,
      ...(scorers.length > 1 && { others }),
    };
  });
  await writeScores(join(output, 'scores.arrow'), scores);
  const figures = scorers.map(({ name, revision }, s) => ({
    scorer: { name, revision },
    ...toxicityByLanguage(
      generations,
      scores.map((score, i) => ({ ...score, score: values[s][i] })),
    ),
  }));
  return { ...figures[0], ...(figures.length > 1 && { others: figures.slice(1) }) };
}
