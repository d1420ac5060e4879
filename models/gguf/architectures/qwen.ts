import type { GgufArchitecture } from '../ggufArchitecture';
import { decoderFields } from './decoderFields';
import { llamaKinConfig } from './llama';
import { LLAMA_NAMES } from './llamaNames';
import { ROPE_FREQS } from './ropeFields';

/** Qwen 2 and 2.5. Windows are not written: its published models have them switched off. */
export const qwen2: GgufArchitecture = (header) => ({
  names: LLAMA_NAMES,
  described: [ROPE_FREQS],
  config: { ...llamaKinConfig(header, decoderFields(header), 'qwen2', 'Qwen2ForCausalLM'), use_sliding_window: false },
});

/** Qwen 3: heads of a width of their own, each query and key normed. */
export const qwen3: GgufArchitecture = (header) => ({
  names: LLAMA_NAMES,
  described: [ROPE_FREQS],
  config: {
    ...llamaKinConfig(header, decoderFields(header), 'qwen3', 'Qwen3ForCausalLM'),
    attention_bias: header.tensors.has('blk.0.attn_q.bias'),
    use_sliding_window: false,
  },
});
