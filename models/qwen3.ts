import { flag } from './configFields';
import { qwenWindows } from './parts/layerWindows';
import { rmsDecoder, rmsDecoderFields } from './parts/rmsDecoder';

/** Qwen 3 (arXiv 2505.09388), as transformers' `Qwen3ForCausalLM`: heads of a width of their own, each query and key normed. */
export const qwen3 = rmsDecoder(['qwen3'], (source) => {
  const attentionBias = flag(source, 'attention_bias', false);
  const defaults = { vocabulary: 151936, innerWidth: 22016, maxPositions: 32768, keyValueHeads: 32, headWidth: 128 };
  const shared = rmsDecoderFields(source, 'qwen3', defaults);
  return {
    ...shared,
    biases: { queryKeyValue: attentionBias, output: attentionBias, mlp: false },
    headNorms: true,
    layerWindows: qwenWindows(source, shared.layers),
  };
});
