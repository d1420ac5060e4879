import { flag } from './configFields';
import { cohereDecoder, cohereFields } from './parts/cohereDecoder';

/** Command R and Aya 23 (arXiv 2405.15032), as transformers' `CohereForCausalLM`. */
export const cohere = cohereDecoder('cohere', (source) => {
  const shared = cohereFields(source, 'cohere', 500_000);
  return {
    ...shared,
    headNorms: flag(source, 'use_qk_norm', false),
    layerWindows: Array.from({ length: shared.layers }, () => 0),
    turningLayers: Array.from({ length: shared.layers }, () => true),
  };
});
