import { layerWindows, slidingWindow } from './parts/layerWindows';
import { rmsDecoder, rmsDecoderFields } from './parts/rmsDecoder';

/**
 * Mistral (arXiv 2310.06825), as transformers' `MistralForCausalLM`, and Ministral: the same with `layer_types`, which transformers takes a
 * `mistral` config for that has them.
 */
export const mistral = rmsDecoder(['mistral', 'ministral'], (source) => {
  const shared = rmsDecoderFields(source, 'mistral', { vocabulary: 32000, innerWidth: 14336, maxPositions: 131072, keyValueHeads: 8 });
  return {
    ...shared,
    biases: { queryKeyValue: false, output: false, mlp: false },
    headNorms: false,
    layerWindows: layerWindows(source, shared.layers, slidingWindow(source, 4096), () => true),
  };
});
