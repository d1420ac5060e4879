import { bloom } from '../../models/bloom';

const parse = (json: object) => bloom.parseConfig({ model_type: 'bloom', ...json }, 'config.json');

test('the spellings of every age mean the same', () => {
  const now = parse({ hidden_size: 32, n_layer: 3, n_head: 4 });
  expect(parse({ n_embed: 32, num_hidden_layers: 3, num_attention_heads: 4 })).toEqual(now);
  // transformers lets n_embed win
  expect(parse({ hidden_size: 64, n_embed: 32, n_layer: 3, n_head: 4 })).toEqual(now);
  expect([now.width, now.layers, now.headWidth, now.vocabulary, now.tiedHead]).toEqual([32, 3, 8, 250880, true]);
});

test("BLOOM-1b7's own file", () => {
  const config = parse({
    apply_residual_connection_post_layernorm: false,
    attention_softmax_in_fp32: true,
    bias_dropout_fusion: true,
    masked_softmax_fusion: true,
    n_inner: null,
    n_layer: 24,
    num_attention_heads: 16,
    offset_alibi: 100,
    pretraining_tp: 2,
    seq_length: 4096,
    skip_bias_add: true,
    hidden_size: 2048,
    vocab_size: 250880,
  });
  const shapes = Object.values(bloom.weightShapes(config));
  expect(shapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size), 0)).toBe(1_722_408_960);
  expect(config.maxPositions).toBe(Infinity);
});

test.each([
  [{ hidden_size: 30, n_head: 4 }, /config.json: hidden_size is 30; it must be a multiple of n_head \(4\)/],
  [{ layer_norm_epsilon: 0 }, /layer_norm_epsilon is 0/],
])('refused: %j', (json, message) => {
  expect(() => parse(json)).toThrow(message);
});
