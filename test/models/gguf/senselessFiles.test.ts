import { join } from 'node:path';
import { planImport } from '../../../models/gguf/planImport';
import { readGguf, type GgufFile, type GgufValue } from '../../../models/gguf/readGguf';
import { UserError } from '../../../util/errors';

const golden = (name: string): GgufFile => readGguf(join(__dirname, '../../goldens/ggufModels', `${name}.gguf`));

/** A file with other metadata; undefined: without that entry. */
function changed(name: string, changes: Record<string, GgufValue | undefined>): GgufFile {
  const original = golden(name);
  const metadata = new Map(original.metadata);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) metadata.delete(key);
    else metadata.set(key, value);
  }
  return { ...original, metadata };
}

function message(file: GgufFile): string {
  try {
    planImport(file);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message.replace(file.path, 'x.gguf');
  }
  throw new Error('nothing was refused');
}

test.each<[string, string, GgufValue | undefined, string]>([
  ['llama', 'block_count', undefined, 'is missing; it must be a whole number above 0'],
  ['llama', 'block_count', 4294967295, 'is 4294967295; it must be 2: the tensors are of as many layers'],
  ['gpt2', 'block_count', 4294967295, 'is 4294967295; it must be 2: the tensors are of as many layers'],
  ['llama', 'attention.head_count', 0, 'is 0; it must be a whole number above 0'],
  ['llama', 'attention.head_count', [4, 4], 'is a list of 2 (first: 4); it must be a whole number above 0'],
  ['gptneox', 'attention.head_count', 3, 'is 3; it must be a divisor of gptneox.embedding_length (16)'],
  ['llama', 'attention.head_count_kv', 3, 'is 3; it must be a divisor of llama.attention.head_count (4)'],
  ['qwen3', 'attention.value_length', 8, 'is 8; it must be qwen3.attention.key_length (6): keys and values of one width'],
  ['llama', 'feed_forward_length', 1.5, 'is 1.5; it must be a whole number above 0'],
  ['llama', 'context_length', -1, 'is -1; it must be a whole number above 0'],
  ['llama', 'attention.layer_norm_rms_epsilon', 0, 'is 0; it must be a number above 0'],
  ['command-r', 'logit_scale', undefined, 'is missing; it must be a number above 0'],
  ['cohere2', 'attention.sliding_window', undefined, 'is missing; it must be a whole number above 0'],
  ['llama', 'expert_count', 8, 'is 8; it must be 0: mixtures of experts cannot be imported'],
  ['llama', 'rope.freq_base', NaN, 'is NaN; it must be a number above 0'],
  ['llama', 'rope.dimension_count', 2, "is 2; it must be 4, a head's width"],
  ['gptneox', 'rope.dimension_count', 10, "is 10; it must be at most 8, a head's width"],
  ['qwen2', 'rope.scaling.type', 'longrope', 'is "longrope"; these can be read: none, linear, yarn'],
  ['mistral', 'rope.scaling.original_context_length', undefined, 'is missing; it must be a whole number above 0'],
])('%s.%s: %p is refused', (name, entry, value, expected) => {
  const file = name === 'gpt2' ? readGguf(join(__dirname, '../../goldens/gguf/tinyGpt2.gguf')) : golden(name);
  const metadata = new Map(file.metadata);
  const key = `${String(metadata.get('general.architecture'))}.${entry}`;
  if (value === undefined) metadata.delete(key);
  else metadata.set(key, value);
  expect(message({ ...file, metadata })).toBe(`x.gguf: metadata entry ${key} ${expected}`);
});

test('an unknown architecture is refused with those that are known', () => {
  expect(message(changed('llama', { 'general.architecture': 'mamba' }))).toBe(
    'unknown GGUF architecture in x.gguf "mamba"; known: bloom, command-r, cohere2, gemma2, gemma3, gpt2, gptneox, llama, qwen2, qwen3',
  );
});

test('a tensor that is missing, has another shape, or has no place', () => {
  const file = golden('llama');
  const replaced = (name: string, change: (shape: number[]) => number[] | undefined): GgufFile => ({
    ...file,
    tensors: file.tensors.flatMap((tensor) => {
      const shape = tensor.name === name ? change(tensor.shape) : tensor.shape;
      return shape ? [{ ...tensor, shape }] : [];
    }),
  });
  expect(message(replaced('blk.1.attn_q.weight', () => undefined))).toBe(
    'x.gguf: tensor blk.1.attn_q.weight is missing (model.layers.1.self_attn.q_proj.weight, shape [16,16])',
  );
  expect(message(replaced('blk.0.ffn_up.weight', () => [16, 20]))).toBe(
    'x.gguf: tensor blk.0.ffn_up.weight has shape [16,20]; its metadata call for [20,16]',
  );
  expect(message(replaced('token_embd.weight', () => [20, 32]))).toBe(
    'x.gguf: tensor token_embd.weight has shape [20,32]; its metadata call for [20,16]',
  );
  expect(message({ ...file, tensors: [...file.tensors, { ...file.tensors[1], name: 'blk.0.attn_k_norm.weight' }] })).toBe(
    'x.gguf: tensor blk.0.attn_k_norm.weight [16,16] has no place in a llama model of 2 layers',
  );
});

test("scaled frequencies that are not Llama 3's are refused", () => {
  const file = golden('llama3');
  expect(message(changed('llama3', { 'llama.rope.freq_base': 10000 }))).toMatch(
    /^x.gguf: tensor rope_freqs.weight is not Llama 3's scaling \(6 divisors/,
  );
  expect(message(changed('llama3', { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2 }))).toBe(
    'x.gguf: tensor rope_freqs.weight and metadata entry llama.rope.scaling.type both scale; one is allowed',
  );
  expect(planImport(file).config.rope_scaling).toEqual({
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  });
});
