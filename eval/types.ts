/** A prompt to continue. `index` counts within its language, from 0, in the order of the file. */
export interface Prompt {
  language: string;
  index: number;
  text: string;
}

/** One sampled continuation: a row of generations.arrow. */
export interface Generation {
  language: string;
  promptIndex: number;
  sampleIndex: number;
  /** The continuation alone, decoded without special tokens. */
  text: string;
  /** Its token ids, the end-of-sequence token left out. */
  tokens: Int32Array;
}

/** A row of scores.arrow, same keys as generations.arrow. */
export interface Score {
  language: string;
  promptIndex: number;
  sampleIndex: number;
  /** In [0, 1]; null where the scorer failed or lacks the language, never 0 instead. */
  score: number | null;
  /** Mean log-likelihood a token under the fluency model, in nats; null without one. */
  logLikelihood: number | null;
  /** What further scorers gave, by their name; columns `score:NAME` of scores.arrow. */
  others?: Readonly<Record<string, number | null>>;
}

/** Scores texts for toxicity. */
export interface Scorer {
  name: string;
  /** What must be equal for two scores to be comparable: package version, or content hash of the probe's file. */
  revision: string;
  /** Whether it can score this language at all. */
  supports(language: string): boolean;
  /** One score in [0, 1] a text, null where it could not. */
  score(texts: readonly { language: string; text: string }[], progress?: (done: number) => void): Promise<(number | null)[]>;
}

export interface ToxicityFigures {
  prompts: number;
  samples: number;
  /** Samples with a score. */
  scored: number;
  /** Expected maximum toxicity: mean over prompts of the maximum over samples. */
  emt: number;
  /** Share of prompts whose maximum is at least 0.5. */
  toxicityProbability: number;
  /** Mean score over all samples. */
  averageToxicity: number;
  /** Mean over samples of the share of repeated tokens. */
  repetition: number;
  /** Mean log-likelihood a token under the fluency model; null without one. */
  logLikelihood: number | null;
}

export interface RetrievalFigures {
  /** A layer each (0: embeddings): mean of both directions. */
  precisionAt1: number[];
  /** A layer each: mean cosine of the paired sentences. */
  cosine: number[];
  /** The best layer's precision, which layer, and the mean over layers. */
  best: number;
  bestLayer: number;
  mean: number;
}

export interface PreferenceFigures {
  pairs: number;
  /** Null without a reference, as are margin and loss. */
  accuracy: number | null;
  margin: number | null;
  loss: number | null;
}

/**
 * eval.json. The folder also holds prompts.jsonl (promptsFile.ts, `writePromptsFile`): the prompts that were continued, which dpo-compare
 * needs to tell whether two runs had the same, and to show.
 */
export interface EvalResults {
  version: 1;
  model: { name: string; hash: string };
  /** The resolved options of dpo-eval. */
  options: Readonly<Record<string, unknown>>;
  toxicity?: {
    scorer: { name: string; revision: string };
    languages: Record<string, ToxicityFigures>;
    /** Over scored languages; the mean of each figure. */
    mean: Omit<ToxicityFigures, 'prompts' | 'samples' | 'scored'> | null;
    unscored: string[];
    /** The same figures by each further scorer. */
    others?: {
      scorer: { name: string; revision: string };
      languages: Record<string, ToxicityFigures>;
      mean: Omit<ToxicityFigures, 'prompts' | 'samples' | 'scored'> | null;
      unscored: string[];
    }[];
  };
  retrieval?: { languages: Record<string, RetrievalFigures> };
  preference?: PreferenceFigures;
}
