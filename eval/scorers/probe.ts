import { basename } from 'node:path';
import { disposeModel, loadModel } from '../../models/loadModel';
import { modelHash } from '../../models/modelHash';
import { loadTokenizer, type TextTokenizer } from '../../models/tokenizer';
import type { Model } from '../../models/types';
import { UserError } from '../../util/errors';
import { fileHash } from '../../util/files';
import { pooledHidden, textSequences } from '../pooledHidden';
import type { Scorer } from '../types';
import { readProbe, type ProbeFile } from './probeFile';
import { applyProbe } from './trainProbe';

/** A folder that may hold a probe's model, and the option that named it. */
export interface ModelCandidate {
  option: string;
  folder: string;
}

/**
 * A scorer from a probe's file: the probability of toxicity by a logistic regression on the pooled hidden state of a frozen model.
 * The model is found among the candidates by its content hash, before anything is scored; it is loaded for each call of `score`
 * and freed after it.
 * @throws UserError where the file is no probe, or no candidate is the probe's model
 */
export async function probeScorer(file: string, candidates: readonly ModelCandidate[], cacheFolder: string): Promise<Scorer> {
  const probe = await readProbe(file);
  const folder = await findModel(file, probe, candidates, cacheFolder);
  return {
    name: `probe:${basename(file)}`,
    revision: await fileHash(file),
    supports: (language) => !probe.languages || probe.languages.includes(language),
    async score(texts, progress) {
      const wanted = texts.map((_, i) => i).filter((i) => !probe.languages || probe.languages.includes(texts[i].language));
      const scores: (number | null)[] = texts.map(() => null);
      if (wanted.length === 0) return scores;
      const model = await loadModel(folder, { trainable: false, cacheFolder });
      try {
        const values = await probeScores(
          probe,
          model,
          await loadTokenizer(folder),
          wanted.map((i) => texts[i].text),
          progress,
        );
        wanted.forEach((i, n) => (scores[i] = values[n]));
        return scores;
      } finally {
        disposeModel(model);
      }
    },
  };
}

/** A probe's probabilities for texts; null for a text without a token. */
export async function probeScores(
  probe: ProbeFile,
  model: Model,
  tokenizer: TextTokenizer,
  texts: readonly string[],
  progress?: (done: number) => void,
): Promise<(number | null)[]> {
  if (probe.width !== model.config.width || probe.layer > model.config.layers)
    throw new UserError(
      `the probe reads layer ${probe.layer}, ${probe.width} wide; ${model.folder} has ${model.config.layers} layers, ${model.config.width} wide`,
    );
  const sequences = textSequences(tokenizer, texts, model.config.maxPositions);
  const [pooled] = await pooledHidden(model, sequences, [probe.layer], ({ done }) => progress?.(done));
  const linear = {
    mean: Float64Array.from(probe.mean),
    scale: Float64Array.from(probe.scale),
    weights: Float64Array.from(probe.weights),
    bias: probe.bias,
  };
  return Array.from(applyProbe(linear, pooled), (value) => (Number.isFinite(value) ? value : null));
}

async function findModel(file: string, { model }: ProbeFile, candidates: readonly ModelCandidate[], cacheFolder: string): Promise<string> {
  for (const { folder } of candidates) if ((await modelHash(folder, cacheFolder)) === model.hash) return folder;
  const tried = candidates.map(({ option, folder }) => `${option} ${folder}`).join(', ') || 'none';
  throw new UserError(
    `${file}: this probe reads ${model.name} (content hash ${model.hash.slice(0, 16)}…); none of the models given is it: ${tried}; name its folder with --scorer-model`,
  );
}
