import { qwenWindows } from './parts/layerWindows';
import { rmsDecoder, rmsDecoderFields } from './parts/rmsDecoder';

/** Qwen 2 and 2.5 (arXiv 2407.10671, 2412.15115), as transformers' `Qwen2ForCausalLM`: biases on query, key and value, whatever the config. */
export const qwen2 = rmsDecoder(['qwen2'], (source) => {
  const shared = rmsDecoderFields(source, 'qwen2', { vocabulary: 151936, innerWidth: 22016, maxPositions: 32768, keyValueHeads: 32 });
  return {
    ...shared,
    biases: { queryKeyValue: true, output: false, mlp: false },
    headNorms: false,
    layerWindows: qwenWindows(source, shared.layers),
  };
});
