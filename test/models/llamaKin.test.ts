import { gptNeox } from '../../models/gpt_neox';
import { llama } from '../../models/llama';
import { mistral } from '../../models/mistral';
import { qwen2 } from '../../models/qwen2';
import { qwen3 } from '../../models/qwen3';

const families = { llama, mistral, qwen2, qwen3 };
type Family = keyof typeof families;
const parse = (family: Family, json: object) => families[family].parseConfig(json as Record<string, unknown>, 'config.json');

const size = (shapes: Readonly<Record<string, readonly number[]>>): number =>
  Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((product, length) => product * length), 0);

test.each<[string, Family, number, number, object]>([
  // as these models' own files have them, and what their authors say they hold
  ['Llama 2 7B', 'llama', 6_738_415_616, 4096, { max_position_embeddings: 4096, rope_scaling: null, pretraining_tp: 1 }],
  [
    'Llama 3.1 8B',
    'llama',
    8_030_261_248,
    131072,
    {
      num_key_value_heads: 8,
      intermediate_size: 14336,
      vocab_size: 128256,
      max_position_embeddings: 131072,
      rope_theta: 500000.0,
      rope_scaling: {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
    },
  ],
  [
    'SmolLM2 135M',
    'llama',
    134_515_008,
    8192,
    {
      hidden_size: 576,
      intermediate_size: 1536,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      num_hidden_layers: 30,
      vocab_size: 49152,
      max_position_embeddings: 8192,
      rope_theta: 100000,
      rope_interleaved: false,
      tie_word_embeddings: true,
    },
  ],
  ['Mistral 7B', 'mistral', 7_241_732_096, 32768, { max_position_embeddings: 32768, rope_theta: 10000.0, sliding_window: 4096 }],
  [
    'Mistral Nemo',
    'mistral',
    12_247_782_400,
    1024000,
    { hidden_size: 5120, head_dim: 128, num_hidden_layers: 40, vocab_size: 131072, max_position_embeddings: 1024000, sliding_window: null },
  ],
  [
    'Qwen 2.5 0.5B',
    'qwen2',
    494_032_768,
    32768,
    {
      hidden_size: 896,
      intermediate_size: 4864,
      num_attention_heads: 14,
      num_key_value_heads: 2,
      num_hidden_layers: 24,
      max_window_layers: 24,
      sliding_window: 32768,
      use_sliding_window: false,
      use_mrope: false,
      tie_word_embeddings: true,
    },
  ],
  [
    'Qwen 3 0.6B',
    'qwen3',
    596_049_920,
    40960,
    {
      hidden_size: 1024,
      intermediate_size: 3072,
      head_dim: 128,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      num_hidden_layers: 28,
      max_window_layers: 28,
      max_position_embeddings: 40960,
      rope_theta: 1000000,
      sliding_window: null,
      tie_word_embeddings: true,
    },
  ],
])('the config of %s', (_, family, count, context, json) => {
  expect(size(families[family].weightShapes(parse(family, json)))).toBe(count);
  expect(parse(family, json).maxPositions).toBe(context);
});

describe('sliding windows', () => {
  const of = (family: Family, json: object): readonly number[] => parse(family, { num_hidden_layers: 3, ...json }).layerWindows;
  const types = ['full_attention', 'sliding_attention', 'full_attention'];

  test('mistral: on every layer where none is named; a null switches them off', () => {
    expect(of('mistral', {})).toEqual([4096, 4096, 4096]);
    expect(of('mistral', { sliding_window: 9 })).toEqual([9, 9, 9]);
    expect(of('mistral', { sliding_window: null })).toEqual([0, 0, 0]);
    expect(of('mistral', { sliding_window: 9, layer_types: types })).toEqual([0, 9, 0]);
  });

  test('qwen2: only where they are switched on, above max_window_layers', () => {
    expect(of('qwen2', { sliding_window: 9, max_window_layers: 1 })).toEqual([0, 0, 0]);
    expect(of('qwen2', { use_sliding_window: true, sliding_window: 9, max_window_layers: 1 })).toEqual([0, 9, 9]);
    expect(of('qwen2', { use_sliding_window: true, sliding_window: 9, max_window_layers: 0 })).toEqual([9, 9, 9]);
    expect(of('qwen2', { use_sliding_window: true, sliding_window: null, max_window_layers: 1 })).toEqual([0, 0, 0]);
    expect(of('qwen2', { use_sliding_window: true, sliding_window: 9, max_window_layers: 1, layer_types: types })).toEqual([0, 9, 0]);
    expect(parse('qwen2', { num_hidden_layers: 3, use_sliding_window: true, max_window_layers: 1 }).windows).toEqual([4096]);
  });

  test.each<[Family, object, RegExp]>([
    [
      'mistral',
      { sliding_window: null, layer_types: types },
      /sliding_window is null; it must be a whole number above 0 where layer_types/,
    ],
    [
      'qwen2',
      { sliding_window: 9, layer_types: types },
      /sliding_window is 9; it must be a whole number above 0 where .* use_sliding_window/,
    ],
    ['qwen2', { layer_types: ['full_attention'] }, /layer_types is "a list of 1"; it must be a list of 3/],
    ['mistral', { layer_types: ['full_attention', 'chunked_attention', 'x'] }, /layer_types is "chunked_attention"/],
    ['mistral', { sliding_window: 0 }, /sliding_window is 0; it must be a whole number above 0/],
  ])('refused: %s %j', (family, json, message) => {
    expect(() => of(family, json)).toThrow(message);
  });
});

test('key/value heads: a null means every head, nothing the default', () => {
  const heads = (family: Family, json: object): number => parse(family, json).keyValueHeads;
  expect([heads('llama', {}), heads('llama', { num_key_value_heads: null })]).toEqual([32, 32]);
  expect([heads('mistral', {}), heads('mistral', { num_key_value_heads: null })]).toEqual([8, 32]);
  expect([heads('qwen2', { num_attention_heads: 32 }), heads('qwen2', { num_attention_heads: 16, num_key_value_heads: null })]).toEqual([
    32, 16,
  ]);
});

test("a head's width: the config's, the family's, or its share of the whole", () => {
  const width = (family: Family, json: object): number =>
    parse(family, { hidden_size: 640, num_attention_heads: 10, num_key_value_heads: 5, ...json }).headWidth;
  expect([width('llama', {}), width('llama', { head_dim: null }), width('llama', { head_dim: 32 }), width('qwen3', {})]).toEqual([
    64, 64, 32, 128,
  ]);
});

describe('gpt_neox', () => {
  const neox = (json: object) => gptNeox.parseConfig(json as Record<string, unknown>, 'config.json');
  const pythia = { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12, num_hidden_layers: 12, vocab_size: 50304 };

  test("Pythia 160M's config, in old and new spellings", () => {
    const old = neox({ ...pythia, rotary_pct: 0.25, rotary_emb_base: 10000, use_parallel_residual: true, tie_word_embeddings: false });
    expect(size(gptNeox.weightShapes(old))).toBe(162_322_944);
    expect([old.rotary, old.parallelResidual, old.attentionBias, old.activation]).toEqual([
      { base: 1e4, width: 16, scaling: { type: 'default' } },
      true,
      true,
      'gelu',
    ]);
    expect(neox({ ...pythia, rope_parameters: { rope_type: 'default', rope_theta: 10000.0, partial_rotary_factor: 0.25 } })).toEqual(old);
    expect(neox(pythia)).toEqual(old);
    expect(neox({ ...pythia, rotary_pct: 0.5, rotary_emb_base: 500 }).rotary).toMatchObject({ base: 500, width: 32 });
    // an odd width is rounded up to whole pairs
    expect(neox({ ...pythia, rotary_pct: 0.36 }).rotary.width).toBe(23);
  });

  test.each<[object, RegExp]>([
    [{ hidden_size: 100 }, /hidden_size is 100; it must be a multiple of num_attention_heads \(64\)/],
    [{ rotary_pct: 0 }, /rotary_pct is 0; it must be a number above 0/],
    [{ rotary_pct: 2 }, /head_dim is 96; it must be an even number, of which rotary_pct turns a part/],
    [{ rope_scaling: { type: 'longrope' } }, /rope_scaling.type is "longrope"/],
  ])('refused: %j', (json, message) => {
    expect(() => neox(json)).toThrow(message);
  });
});

test('biases are where the family or its config has them', () => {
  const biased = (family: Family, json: object): string[] =>
    Object.keys(families[family].weightShapes(parse(family, { num_hidden_layers: 1, ...json })))
      .filter((name) => name.endsWith('.bias'))
      .map((name) => name.split('.')[4]);
  expect(biased('llama', {})).toEqual([]);
  expect(biased('llama', { attention_bias: true })).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj']);
  expect(biased('llama', { mlp_bias: true })).toEqual(['gate_proj', 'up_proj', 'down_proj']);
  expect(biased('mistral', { attention_bias: true })).toEqual([]);
  expect(biased('qwen2', { attention_bias: false })).toEqual(['q_proj', 'k_proj', 'v_proj']);
  expect(biased('qwen3', { attention_bias: true })).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj']);
  expect(biased('qwen3', {})).toEqual([]);
});

test.each<[Family, object, RegExp]>([
  ['llama', { hidden_size: 4097 }, /hidden_size is 4097; it must be a multiple of num_attention_heads \(32\)/],
  ['llama', { num_key_value_heads: 5 }, /num_attention_heads is 32; it must be a multiple of num_key_value_heads \(5\)/],
  ['llama', { head_dim: 5 }, /head_dim is 5; it must be an even number/],
  ['llama', { hidden_act: 'mish' }, /hidden_act is "mish"; it must be one of/],
  ['llama', { num_hidden_layers: -1 }, /num_hidden_layers is -1/],
  ['qwen2', { rope_scaling: { type: 'mrope' } }, /rope_scaling.type is "mrope"/],
])('refused: %s %j', (family, json, message) => {
  expect(() => parse(family, json)).toThrow(message);
});
