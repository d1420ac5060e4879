import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { classifierLogits } from '../../models/classifiers/classifierLogits';
import { toxicLabel, type Labels } from '../../models/classifiers/labels';
import { disposeClassifier, loadClassifier, readClassifierConfig } from '../../models/classifiers/loadClassifier';
import type { Classifier } from '../../models/classifiers/types';
import { localModel } from '../../models/localModel';
import { modelHash } from '../../models/modelHash';
import { loadTokenizer, type TextTokenizer } from '../../models/tokenizer';
import { UserError } from '../../util/errors';
import { contentHash } from '../../util/files';
import { hubModel } from '../../util/hub/hubReference';
import type { SnapshotOptions } from '../../util/hub/hubSnapshot';
import { lengthBatches } from '../lengthBatches';
import type { Scorer } from '../types';

/** Packed tokens of one batch, unless a single text is longer. */
const ROWS_AT_ONCE = 2048;

/** `MODEL[:LABEL]` of `--scorer classifier:…`. What exists on the disk, or is a name on the hub as it stands, has no label in it. */
export function parseClassifierName(text: string): { source: string; label?: string } {
  const colon = text.lastIndexOf(':');
  if (colon <= 0 || existsSync(text) || hubModel(text)) return { source: text };
  return { source: text.slice(0, colon), label: text.slice(colon + 1) };
}

/**
 * A scorer from a sequence classifier: the probability of its toxic label, whatever the language. Texts are cut at the model's longest
 * input. The model is loaded for each call of `score` and freed after it; config, label and tokenizer are checked at once.
 * @param named a folder or `owner/name[@revision]` on the hub, with `:LABEL` behind it where the label is not the one of `toxicLabel`
 * @throws UserError for a folder that holds no classifier, or a label that it lacks
 */
export async function classifierScorer(named: string, cacheFolder: string, hub: SnapshotOptions): Promise<Scorer> {
  const { source, label: wanted } = parseClassifierName(named);
  if (wanted === '') throw new UserError(`--scorer classifier:${named}: no label behind the colon`);
  const folder = await localModel(source, hub);
  const { labels } = await readClassifierConfig(folder);
  const label = toxicLabel(labels.names, wanted, source);
  const tokenizer = await loadTokenizer(folder);
  return {
    name: `classifier:${existsSync(source) ? basename(resolve(source)) : source}:${labels.names[label]}`,
    revision: contentHash('classifier 1', await modelHash(folder, cacheFolder), tokenizer.hash, labels.names[label]),
    supports: () => true,
    async score(texts, progress) {
      const model = await loadClassifier(folder, { trainable: false, cacheFolder, warn: hub.say });
      try {
        return await classifierScores(
          model,
          tokenizer,
          label,
          texts.map(({ text }) => text),
          progress,
        );
      } finally {
        disposeClassifier(model);
      }
    },
  };
}

/**
 * Probabilities of one label: the logistic function of its logit where labels stand on their own, else its part of the softmax; null
 * where the model gives no finite one, or a tokenizer nothing to read.
 */
export async function classifierScores(
  model: Classifier,
  tokenizer: TextTokenizer,
  label: number,
  texts: readonly string[],
  progress?: (done: number) => void,
  rowsAtOnce = ROWS_AT_ONCE,
): Promise<(number | null)[]> {
  const { labels, maxPositions } = model.config;
  const sequences = texts.map((text) => truncated(tokenizer, text, maxPositions));
  const scores: (number | null)[] = texts.map(() => null);
  const lengths = sequences.map(({ length }) => length);
  let done = 0;
  for (const batch of lengthBatches(lengths, 1, rowsAtOnce)) {
    const logits = classifierLogits(
      model,
      batch.map((i) => sequences[i]),
    );
    const values = await logits.data<'float32'>();
    logits.dispose();
    const count = labels.names.length;
    batch.forEach((text, row) => {
      const score = probability(values.subarray(row * count, (row + 1) * count), label, labels);
      if (Number.isFinite(score)) scores[text] = score;
    });
    done += batch.length;
    progress?.(done);
  }
  return scores;
}

/** Token ids with the special tokens around them, the text cut where it is too long for the model. */
function truncated(tokenizer: TextTokenizer, text: string, longest: number): number[] {
  const whole = tokenizer.encode(text, { specialTokens: true });
  if (whole.length <= longest) return whole;
  const plain = tokenizer.encode(text);
  const around = whole.length - plain.length;
  const before =
    Array.from({ length: around + 1 }, (_, start) => start).find((start) => plain.every((id, i) => whole[start + i] === id)) ?? 0;
  return [...whole.slice(0, before), ...plain.slice(0, longest - around), ...whole.slice(before + plain.length)];
}

function probability(logits: Float32Array, label: number, { multiple }: Labels): number {
  if (multiple) return 1 / (1 + Math.exp(-logits[label]));
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Math.exp(logits[label] - largest) / sum;
}
