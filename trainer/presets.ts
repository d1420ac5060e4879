/*
 * Settings of Li, Yong and Bach 2024, arXiv 2406.16235, by model. Sources, each beside what is taken from it:
 *  [code]  github.com/BatsResearch/cross-lingual-detox at 8f8ae8c, xg/training/dpo.py, the defaults of its arguments
 *  [card]  the model cards of BatsResearch/mGPT-detox, bloom-1b7-detox and *-detox-qlora on the hub, "Training Hyperparameters"
 * What neither publishes is left at this program's defaults: docs/presets.md lists it.
 */

/** Both sources: the optimizer is torch's RMSProp; the code's weight decay of 0.05 is never passed to the trainer, so it is 0. */
const COMMON = {
  loss: 'sigmoid',
  beta: 0.1, // [code] [card]
  optimizer: 'rmsprop', // [code] [card]
  learningRate: 1e-5, // [code] [card]
  schedule: 'constant', // [code] constant_with_warmup
  warmupSteps: 150, // [code]
  maxGradNorm: 10, // [code] [card]
  batchSize: 4, // [code] [card]
  gradientAccumulationSteps: 1, // [code] [card]
  epochs: 5, // [code] [card]
  maxLength: 256, // [code]
  maxCharacters: 256, // [code] the filter of the pairs uses `max_length` for characters too
  evalFraction: 0.05, // [code] train_test_split
  loadBestModelAtEnd: true, // [code]
  metricForBestModel: 'eval_loss', // [code]
  earlyStoppingPatience: 10, // [code] EarlyStoppingCallback
  recompute: 'blocks', // [code] gradient_checkpointing
  evalEverySteps: 25, // [code]
  saveEverySteps: 25, // [code]
  keepCheckpoints: 5, // [code] save_total_limit
  logEverySteps: 10, // [code]
  seed: 0, // [code]
} as const;

/** The cards name QLoRA; `load_in_4bit` alone, as the code has it, is transformers' default: fp4, magnitudes not quantised. */
const QLORA = {
  ...COMMON,
  loraRank: 64, // [code]
  loraAlpha: 16, // [code]
  loraDropout: 0.05, // [code]
  quantization: 'fp4', // [code] by transformers' default
  doubleQuantization: false,
} as const;

/** [code] `peft_target_modules` for names with "llama" and "aya". */
const LLAMA_TARGETS = 'q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj,embed_tokens,lm_head';
/** [code] for names with "bloom". */
const BLOOM_TARGETS = 'word_embeddings,query_key_value,dense,dense_h_to_4h,dense_4h_to_h';

/** Options of a run by the preset's name; flags and the config file override them. */
export const presets = {
  // [card] mGPT-detox and bloom-1b7-detox: all weights
  mgpt: { model: 'ai-forever/mGPT', ...COMMON },
  'bloom-1b7': { model: 'bigscience/bloom-1b7', ...COMMON },
  // [card] *-detox-qlora
  'bloom-7b1': { model: 'bigscience/bloom-7b1', ...QLORA, loraTargets: BLOOM_TARGETS },
  'llama2-7b': { model: 'meta-llama/Llama-2-7b-hf', ...QLORA, loraTargets: LLAMA_TARGETS },
  'llama3-8b': { model: 'meta-llama/Meta-Llama-3-8B', ...QLORA, loraTargets: LLAMA_TARGETS },
  'aya23-8b': { model: 'CohereForAI/aya-23-8B', ...QLORA, loraTargets: LLAMA_TARGETS },
} as const;

export type PresetName = keyof typeof presets;

/** Every preset's name. */
export const presetNames = Object.keys(presets) as PresetName[];

/** What options of one's own make void in a preset: its warmup in steps where it is given as a share, its new adapter where there is one, its held-out pairs where others are given. */
const VOIDED = { warmupRatio: ['warmupSteps'], adapter: ['loraRank', 'loraAlpha', 'loraTargets'], eval: ['evalFraction'] } as const;
/** What a preset decides by evaluations: void where one's own options leave none. */
const JUDGED = ['loadBestModelAtEnd', 'metricForBestModel', 'earlyStoppingPatience'] as const;

/**
 * A preset's options, those left out that contradict what is given.
 * @param name a preset's; anything else (the schema refuses it) has no options
 * @param given options that override the preset's
 */
export function presetOptions(name: unknown, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (typeof name !== 'string' || !Object.hasOwn(presets, name)) return {};
  const options: Record<string, unknown> = { ...presets[name as PresetName] };
  for (const [key, voided] of Object.entries(VOIDED))
    if (given[key] !== undefined && given[key] !== 0) for (const one of voided) delete options[one];
  if ((given.evalFraction === 0 && given.eval === undefined) || given.evalEverySteps === 0) for (const one of JUDGED) delete options[one];
  return options;
}
