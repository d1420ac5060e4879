import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LossName } from '../../losses/registry';
import { loadTokenizer } from '../../models/tokenizer';
import { encodePair } from '../../datasets/encodePair';
import { truncatePair } from '../../datasets/truncatePair';
import type { PreferencePair, TokenizedPair } from '../../datasets/types';

export const trainingGoldens = join(__dirname, '../goldens/training');

/** One run of TRL's DPOTrainer. */
export interface GoldenCase {
  name: string;
  model: string;
  optim: 'rmsprop' | 'adamw_torch' | 'sgd';
  learning_rate: number;
  lr_scheduler_type: 'constant' | 'constant_with_warmup' | 'linear' | 'cosine';
  /** Below 1: a share of all steps. */
  warmup_steps: number;
  max_grad_norm: number;
  beta: number;
  loss_type: LossName | LossName[];
  loss_weights?: number[];
  discopop_tau?: number;
  ld_alpha?: number;
  use_weighting?: boolean;
  f_divergence_type?: string;
  f_alpha_divergence_coef?: number;
  label_smoothing?: number;
  weight_decay?: number;
  gradient_accumulation_steps?: number;
  max_length?: number;
  batch_size: number;
  steps: Record<string, number>[];
  evaluation: Record<string, number>;
}

const golden = JSON.parse(readFileSync(join(trainingGoldens, 'training.json'), 'utf8')) as {
  pairs: PreferencePair[];
  train: number;
  cases: GoldenCase[];
};

export const goldenCases = golden.cases;
/** Losses of whole batches, several at once, and their options: test/goldens/lossOptions.py. */
export const lossCases = (JSON.parse(readFileSync(join(trainingGoldens, 'lossOptions.json'), 'utf8')) as { cases: GoldenCase[] }).cases;
export const goldenPairs = { train: golden.pairs.slice(0, golden.train), evaluation: golden.pairs.slice(golden.train) };

export async function tokenizedGolden(pairs: readonly PreferencePair[], maxLength = 0): Promise<TokenizedPair[]> {
  const tokenizer = await loadTokenizer(trainingGoldens);
  return pairs.flatMap((pair) => truncatePair(encodePair(tokenizer, pair), maxLength) ?? []);
}
