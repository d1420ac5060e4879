import { gemma2 } from '../../models/gemma2';

const parse = (json: object) => gemma2.parseConfig({ model_type: 'gemma2', ...json }, 'config.json');

test("Gemma 2 2B's own file", () => {
  const config = parse({
    attention_bias: false,
    attn_logit_softcapping: 50.0,
    cache_implementation: 'hybrid',
    final_logit_softcapping: 30.0,
    head_dim: 256,
    hidden_act: 'gelu_pytorch_tanh',
    hidden_activation: 'gelu_pytorch_tanh',
    hidden_size: 2304,
    intermediate_size: 9216,
    max_position_embeddings: 8192,
    num_attention_heads: 8,
    num_hidden_layers: 26,
    num_key_value_heads: 4,
    query_pre_attn_scalar: 256,
    rms_norm_eps: 1e-6,
    rope_theta: 10000.0,
    sliding_window: 4096,
    torch_dtype: 'float32',
    vocab_size: 256000,
  });
  const shapes = Object.values(gemma2.weightShapes(config));
  expect(shapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size), 0)).toBe(2_614_341_888);
  expect(config.layerWindows.slice(0, 4)).toEqual([4096, 0, 4096, 0]);
  // what is absent means the same as what Google writes out
  expect(parse({})).toEqual(config);
  expect(parse({ rope_parameters: { rope_type: 'default', rope_theta: 10000 } })).toEqual(config);
});

test('a cap that is null is none', () => {
  const config = parse({ attn_logit_softcapping: null, final_logit_softcapping: null });
  expect([config.attentionSoftcap, config.finalSoftcap]).toEqual([undefined, undefined]);
});

test.each([
  [{ use_bidirectional_attention: true }, /config.json: use_bidirectional_attention is true/],
  [{ attn_logit_softcapping: 0 }, /attn_logit_softcapping is 0; it must be a number above 0/],
  [{ final_logit_softcapping: -1 }, /final_logit_softcapping is -1/],
  [{ sliding_window: null }, /sliding_window is null/],
  [{ layer_types: ['full_attention'] }, /layer_types is .*a list of 1.*; it must be a list of 26/],
  [{ num_key_value_heads: 3 }, /num_attention_heads is 8; it must be a multiple of num_key_value_heads \(3\)/],
  [{ rope_scaling: { rope_type: 'longrope', factor: 2 } }, /rope_scaling.rope_type is "longrope"/],
  [{ hidden_activation: 'mish' }, /hidden_activation is "mish"/],
])('refused: %j', (json, message) => {
  expect(() => parse(json)).toThrow(message);
});
