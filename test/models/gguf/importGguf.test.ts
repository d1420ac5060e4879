import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importGguf } from '../../../models/gguf/importGguf';
import { planImport } from '../../../models/gguf/planImport';
import { readGguf, type GgufFile } from '../../../models/gguf/readGguf';
import { silent } from '../../../util/progress';
import { goldenPath, readGoldenJson, readTensors, type Expected } from './goldens';

const { values: expected } = readGoldenJson<Expected>('expected.json');
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'import-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const float32 = { dtype: 'float32', overwrite: false } as const;
const readJson = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8'));

describe.each(Object.keys(expected))('%s', (name) => {
  test('weights equal those that transformers reads, names, shapes and values', async () => {
    const output = join(folder, 'model');
    expect(await importGguf(goldenPath(name), { ...float32, output }, silent)).toBe('imported');
    const tensors = readTensors(join(output, 'model.safetensors'));
    const names = Object.keys(expected[name]).filter((weight) => weight !== 'lm_head.weight'); // tied
    expect(Object.keys(tensors).sort()).toEqual(names.sort());
    for (const weight of names) {
      const { dtype, shape, bytes } = tensors[weight];
      expect(dtype).toBe('F32');
      expect([weight, shape]).toEqual([weight, expected[name][weight].shape]);
      const values = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
      expect(values.slice(0, 4)).toEqual(expected[name][weight].first);
      const sums = [values.reduce((sum, value) => sum + value, 0), values.reduce((sum, value, i) => sum + value * (i % 7), 0)];
      for (const i of [0, 1]) expect(sums[i]).toBeCloseTo(expected[name][weight].sums[i], 9);
    }
  });
});

test('Gemma 3: config.json as transformers writes it, files beside it', async () => {
  const output = join(folder, 'a/b/model');
  await importGguf(goldenPath('tinyGemma3.gguf'), { ...float32, output, extraFiles: [goldenPath('expected.json')] }, silent);
  expect(readJson(join(output, 'config.json'))).toMatchObject({
    architectures: ['Gemma3ForCausalLM'],
    model_type: 'gemma3_text',
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 16,
    query_pre_attn_scalar: 16,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    rope_local_base_freq: 1e4,
    sliding_window: 8,
    layer_types: ['sliding_attention', 'sliding_attention'],
    tie_word_embeddings: true,
    vocab_size: 299,
    bos_token_id: 2,
    eos_token_id: 1,
    pad_token_id: 0,
    torch_dtype: 'float32',
  });
  expect(readJson(join(output, 'generation_config.json'))).toEqual({ bos_token_id: 2, eos_token_id: 1, pad_token_id: 0 });
  expect(readdirSync(output).sort()).toEqual([
    'config.json',
    'expected.json',
    'generation_config.json',
    'import.json',
    'model.safetensors',
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  expect(readdirSync(join(folder, 'a/b'))).toEqual(['model']);
});

test('bf16 halves the weights and says so', async () => {
  const output = join(folder, 'model');
  await importGguf(goldenPath('tinyGemma3.gguf'), { ...float32, dtype: 'bf16', output }, silent);
  const { dtype, bytes } = readTensors(join(output, 'model.safetensors'))['model.norm.weight'];
  expect(dtype).toBe('BF16');
  expect(bytes).toHaveLength(64);
  const word = Buffer.alloc(4);
  word.writeUInt16LE(bytes.readUInt16LE(0), 2);
  const exact = expected['tinyGemma3.gguf']['model.norm.weight'].first[0];
  expect(Math.abs(word.readFloatLE() - exact)).toBeLessThanOrEqual(Math.abs(exact) / 256);
  expect(readJson(join(output, 'config.json')).torch_dtype).toBe('bfloat16');
});

test('the same import is done once; another needs --overwrite; foreign files are left alone', async () => {
  const output = join(folder, 'model');
  const source = goldenPath('tinyGemma3.gguf');
  expect(await importGguf(source, { ...float32, output }, silent)).toBe('imported');
  expect(await importGguf(source, { ...float32, output }, silent)).toBe('unchanged');
  const bf16 = { ...float32, dtype: 'bf16', output } as const;
  await expect(importGguf(source, bf16, silent)).rejects.toThrow('already holds another model; add --overwrite to replace it');
  expect(await importGguf(source, { ...bf16, overwrite: true }, silent)).toBe('imported');
  expect(readJson(join(output, 'import.json')).dtype).toBe('bf16');
  const mine = join(folder, 'mine');
  mkdirSync(mine);
  writeFileSync(join(mine, 'letter.txt'), 'dear');
  await expect(importGguf(source, { ...float32, overwrite: true, output: mine }, silent)).rejects.toThrow('holds other files and no model');
  expect(readdirSync(mine)).toEqual(['letter.txt']);
});

test('a file that ends within its tensors leaves nothing behind', async () => {
  const bytes = readFileSync(goldenPath('tinyGemma3.gguf'));
  const source = join(folder, 'cut.gguf');
  writeFileSync(source, bytes.subarray(0, bytes.length - 100));
  await expect(importGguf(source, { ...float32, output: join(folder, 'model') }, silent)).rejects.toThrow(
    'cut.gguf: truncated GGUF file: tensor',
  );
  expect(readdirSync(folder)).toEqual(['cut.gguf']);
  // a tokenizer error comes after the plan, before anything is written
  expect(existsSync(join(folder, 'model'))).toBe(false);
});

describe('planImport', () => {
  const original = readGguf(goldenPath('tinyGemma3.gguf'));
  const changed = (metadata: Record<string, unknown>, tensors = original.tensors): GgufFile => ({
    ...original,
    path: 'x.gguf',
    metadata: new Map([...original.metadata, ...(Object.entries(metadata) as [string, never][])]),
    tensors,
  });

  test('maps names by layer and takes one off norms alone', () => {
    const plan = planImport(original);
    const entry = (name: string): object => {
      const found = plan.tensors.find((tensor) => tensor.name === name)!;
      return [found.source.name, found.change];
    };
    expect(entry('model.layers.1.pre_feedforward_layernorm.weight')).toEqual(['blk.1.ffn_norm.weight', 'subtractOne']);
    expect(entry('model.layers.0.post_attention_layernorm.weight')).toEqual(['blk.0.post_attention_norm.weight', 'subtractOne']);
    expect(entry('model.layers.1.self_attn.k_norm.weight')).toEqual(['blk.1.attn_k_norm.weight', 'subtractOne']);
    expect(entry('model.layers.1.self_attn.o_proj.weight')).toEqual(['blk.1.attn_output.weight', 'none']);
    expect(entry('model.embed_tokens.weight')).toEqual(['token_embd.weight', 'none']);
  });

  test("a head stored beside its equal embedding is tied, another one isn't", () => {
    const embedding = original.tensors.find(({ name }) => name === 'token_embd.weight')!;
    const tied = planImport({ ...original, tensors: [...original.tensors, { ...embedding, name: 'output.weight' }] });
    expect(tied.config.tie_word_embeddings).toBe(true);
    expect(tied.tensors.map(({ name }) => name)).not.toContain('lm_head.weight');
    const moved = { ...embedding, name: 'output.weight', offset: embedding.offset - 34 };
    const untied = planImport({ ...original, tensors: [...original.tensors, moved] });
    expect(untied.config.tie_word_embeddings).toBe(false);
    expect(untied.tensors.at(-1)).toMatchObject({ name: 'lm_head.weight', source: moved, change: 'none' });
  });

  test("the largest Gemma's query scale, rope scaling, full layers", () => {
    const many = original.tensors.flatMap((tensor) =>
      tensor.name.startsWith('blk.0.')
        ? Array.from({ length: 62 }, (_, n) => ({ ...tensor, name: tensor.name.replace('.0.', `.${n}.`) }))
        : tensor,
    );
    const only = [...new Map(many.map((tensor) => [tensor.name, tensor])).values()];
    const scaling = { 'gemma3.rope.scaling.type': 'linear', 'gemma3.rope.scaling.factor': 8 };
    const { config } = planImport(changed({ 'gemma3.block_count': 62, ...scaling }, only));
    expect(config.query_pre_attn_scalar).toBe(16);
    expect((config.layer_types as string[]).map((type, i) => (type === 'full_attention' ? i : -1)).filter((i) => i >= 0)).toEqual([
      5, 11, 17, 23, 29, 35, 41, 47, 53, 59,
    ]);
    expect(config.rope_scaling).toEqual({ rope_type: 'linear', factor: 8 });
  });

  const without = (name: string): typeof original.tensors => original.tensors.filter((tensor) => tensor.name !== name);
  test.each<[string, () => GgufFile, string]>([
    [
      'architecture',
      () => changed({ 'general.architecture': 'gemma' }),
      'unknown GGUF architecture in x.gguf "gemma"; did you mean "gemma2"?; known: ',
    ],
    [
      'metadata',
      () => changed({ 'gemma3.block_count': 'two' }),
      'x.gguf: metadata entry gemma3.block_count is "two"; it must be a whole number above 0',
    ],
    [
      'missing tensor',
      () => changed({}, without('blk.1.attn_q.weight')),
      'x.gguf: tensor blk.1.attn_q.weight is missing (model.layers.1.self_attn.q_proj.weight, shape [32,32])',
    ],
    ['missing embedding', () => changed({}, without('token_embd.weight')), 'x.gguf: no tensor token_embd.weight'],
    [
      'shape',
      () => changed({ 'gemma3.feed_forward_length': 96 }),
      'x.gguf: tensor blk.0.ffn_gate.weight has shape [64,32]; its metadata call for [96,32]',
    ],
    ['stranger', () => changed({ 'gemma3.block_count': 1 }), 'has no place in a gemma3 model of 1 layers'],
  ])('refuses: %s', (_name, file, message) => {
    expect(() => planImport(file())).toThrow(message);
  });
});
