import { shortestDecimal, type Metadata } from './metadata';

/** What is done to a tensor's values on the way from GGUF to Hugging Face. */
export type TensorChange = 'none' | 'subtractOne' | 'transpose';

/** How one architecture's GGUF files map to a Hugging Face checkpoint. */
export interface GgufArchitecture {
  /** `model_type` of the Hugging Face config. */
  modelType: string;
  /** GGUF names by Hugging Face names; `N` stands for a layer's number. */
  names: Readonly<Record<string, string>>;
  /** What is done to a tensor, by its GGUF name. */
  change: (ggufName: string) => TensorChange;
  /** config.json without vocabulary, special tokens and head, which every architecture has alike. */
  config: (metadata: Metadata) => Record<string, unknown>;
}

/** Gemma 3's largest text model, told by its layers, scales queries by width / heads instead of the head's width (llama.cpp, gemma3). */
const GEMMA_27B_LAYERS = 62;
/** Neither is in the metadata; llama.cpp and transformers have them as constants. */
const GEMMA_SLIDING_PATTERN = 6;
const GEMMA_LOCAL_ROPE_BASE = 10000;

function gemma3Config(metadata: Metadata): Record<string, unknown> {
  const layers = metadata.count('gemma3.block_count');
  const width = metadata.count('gemma3.embedding_length');
  const heads = metadata.count('gemma3.attention.head_count');
  const headWidth = metadata.count('gemma3.attention.key_length', 256);
  const softcap = metadata.has('gemma3.final_logit_softcapping') ? metadata.number('gemma3.final_logit_softcapping') : null;
  const scaling = metadata.text('gemma3.rope.scaling.type', 'none');
  return {
    architectures: ['Gemma3ForCausalLM'],
    model_type: 'gemma3_text',
    attention_bias: false,
    attention_dropout: 0,
    attn_logit_softcapping: null,
    final_logit_softcapping: softcap,
    head_dim: headWidth,
    hidden_activation: 'gelu_pytorch_tanh',
    hidden_size: width,
    initializer_range: 0.02,
    intermediate_size: metadata.count('gemma3.feed_forward_length'),
    layer_types: Array.from({ length: layers }, (_, layer) =>
      (layer + 1) % GEMMA_SLIDING_PATTERN === 0 ? 'full_attention' : 'sliding_attention',
    ),
    max_position_embeddings: metadata.count('gemma3.context_length'),
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: metadata.count('gemma3.attention.head_count_kv', heads),
    query_pre_attn_scalar: layers === GEMMA_27B_LAYERS ? width / heads : headWidth,
    rms_norm_eps: shortestDecimal(metadata.number('gemma3.attention.layer_norm_rms_epsilon')),
    rope_local_base_freq: GEMMA_LOCAL_ROPE_BASE,
    // scaling, where there is any, is for the full layers alone
    rope_scaling: scaling === 'none' ? null : { rope_type: scaling, factor: metadata.number('gemma3.rope.scaling.factor') },
    rope_theta: metadata.number('gemma3.rope.freq_base', 1e6),
    sliding_window: metadata.count('gemma3.attention.sliding_window'),
    sliding_window_pattern: GEMMA_SLIDING_PATTERN,
    use_cache: true,
  };
}

function gpt2Config(metadata: Metadata): Record<string, unknown> {
  const positions = metadata.count('gpt2.context_length');
  const width = metadata.count('gpt2.embedding_length');
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    attn_pdrop: 0.1,
    embd_pdrop: 0.1,
    initializer_range: 0.02,
    layer_norm_epsilon: shortestDecimal(metadata.number('gpt2.attention.layer_norm_epsilon')),
    n_ctx: positions,
    n_embd: width,
    n_head: metadata.count('gpt2.attention.head_count'),
    n_inner: metadata.count('gpt2.feed_forward_length', 4 * width),
    n_layer: metadata.count('gpt2.block_count'),
    n_positions: positions,
    resid_pdrop: 0.1,
    use_cache: true,
  };
}

const GPT2_BLOCK_PARTS: Readonly<Record<string, string>> = {
  ln_1: 'attn_norm',
  'attn.c_attn': 'attn_qkv',
  'attn.c_proj': 'attn_output',
  ln_2: 'ffn_norm',
  'mlp.c_fc': 'ffn_up',
  'mlp.c_proj': 'ffn_down',
};

/** By `general.architecture`. A new one is an entry here and a file in `models/`. */
export const GGUF_ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
  gemma3: {
    modelType: 'gemma3_text',
    names: {
      'model.embed_tokens.weight': 'token_embd.weight',
      'model.layers.N.input_layernorm.weight': 'blk.N.attn_norm.weight',
      'model.layers.N.self_attn.q_proj.weight': 'blk.N.attn_q.weight',
      'model.layers.N.self_attn.k_proj.weight': 'blk.N.attn_k.weight',
      'model.layers.N.self_attn.v_proj.weight': 'blk.N.attn_v.weight',
      'model.layers.N.self_attn.o_proj.weight': 'blk.N.attn_output.weight',
      'model.layers.N.self_attn.q_norm.weight': 'blk.N.attn_q_norm.weight',
      'model.layers.N.self_attn.k_norm.weight': 'blk.N.attn_k_norm.weight',
      'model.layers.N.post_attention_layernorm.weight': 'blk.N.post_attention_norm.weight',
      'model.layers.N.pre_feedforward_layernorm.weight': 'blk.N.ffn_norm.weight',
      'model.layers.N.mlp.gate_proj.weight': 'blk.N.ffn_gate.weight',
      'model.layers.N.mlp.up_proj.weight': 'blk.N.ffn_up.weight',
      'model.layers.N.mlp.down_proj.weight': 'blk.N.ffn_down.weight',
      'model.layers.N.post_feedforward_layernorm.weight': 'blk.N.post_ffw_norm.weight',
      'model.norm.weight': 'output_norm.weight',
      'lm_head.weight': 'output.weight',
    },
    // Gemma multiplies by 1 + w; GGUF stores 1 + w, so that llama.cpp may multiply by what it reads.
    change: (name) => (name.endsWith('norm.weight') ? 'subtractOne' : 'none'),
    config: gemma3Config,
  },
  gpt2: {
    modelType: 'gpt2',
    names: {
      'transformer.wte.weight': 'token_embd.weight',
      'transformer.wpe.weight': 'position_embd.weight',
      ...Object.fromEntries(
        Object.entries(GPT2_BLOCK_PARTS).flatMap(([hf, gguf]) =>
          ['weight', 'bias'].map((kind) => [`transformer.h.N.${hf}.${kind}`, `blk.N.${gguf}.${kind}`]),
        ),
      ),
      'transformer.ln_f.weight': 'output_norm.weight',
      'transformer.ln_f.bias': 'output_norm.bias',
      'lm_head.weight': 'output.weight',
    },
    // GPT-2's Conv1D stores [in, out]; GGUF has every product as [out, in].
    change: (name) => (/^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name) ? 'transpose' : 'none'),
    config: gpt2Config,
  },
};
