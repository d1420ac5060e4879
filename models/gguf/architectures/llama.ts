import type { GgufArchitecture, GgufHeader } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields, type DecoderFields } from './decoderFields';
import { LLAMA_NAMES } from './llamaNames';
import { ROPE_FREQS, ropeFields } from './ropeFields';
import { halvesApart } from './rowOrders';

/** config.json of Llama's kin: what their metadata say alike. */
export function llamaKinConfig(header: GgufHeader, fields: DecoderFields, modelType: string, className: string) {
  const { metadata, architecture } = header;
  return {
    architectures: [className],
    model_type: modelType,
    attention_dropout: 0,
    head_dim: fields.headWidth,
    hidden_act: 'silu',
    hidden_size: fields.width,
    initializer_range: 0.02,
    intermediate_size: fields.innerWidth,
    max_position_embeddings: fields.positions,
    num_attention_heads: fields.heads,
    num_hidden_layers: fields.layers,
    num_key_value_heads: fields.keyValueHeads,
    rms_norm_eps: shortestDecimal(metadata.positive(`${architecture}.attention.layer_norm_rms_epsilon`)),
    ...ropeFields(header, fields.headWidth),
    use_cache: true,
  };
}

/** Llama 2 and 3, SmolLM2, and Mistral, whose files are Llama's: no windows are written for it. */
export const llama: GgufArchitecture = (header) => {
  const fields = decoderFields(header);
  const apart = halvesApart(fields.headWidth);
  return {
    names: LLAMA_NAMES,
    change: (name) => (/\.attn_[qk]\.(weight|bias)$/.test(name) ? apart : 'none'),
    described: [ROPE_FREQS],
    config: {
      ...llamaKinConfig(header, fields, 'llama', 'LlamaForCausalLM'),
      attention_bias: header.tensors.has('blk.0.attn_q.bias'),
      mlp_bias: header.tensors.has('blk.0.ffn_gate.bias'),
    },
  };
};
