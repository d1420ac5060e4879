import { flag } from './configFields';
import { rmsDecoder, rmsDecoderFields } from './parts/rmsDecoder';

/** Llama 2 and 3 (arXiv 2307.09288, 2407.21783), SmolLM2 and others of their shape, as transformers' `LlamaForCausalLM`. */
export const llama = rmsDecoder(['llama'], (source) => {
  const attentionBias = flag(source, 'attention_bias', false);
  const shared = rmsDecoderFields(source, 'llama', { vocabulary: 32000, innerWidth: 11008, maxPositions: 2048 });
  return {
    ...shared,
    biases: { queryKeyValue: attentionBias, output: attentionBias, mlp: flag(source, 'mlp_bias', false) },
    headNorms: false,
    layerWindows: Array.from({ length: shared.layers }, () => 0),
    // pretraining_tp cuts products into sums of parts: the same result
  };
});
