import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { disposeModel, loadModel } from '../../models/loadModel';
import { packedHidden } from '../../models/packedForward';
import { readSafetensors, writeSafetensors, type SafetensorsInput } from '../../models/safetensors';
import { saveModel } from '../../models/saveModel';
import { goldenModels, pack, packedLogits, readGolden } from './goldens';
import { startTestEngine } from './testEngine';

beforeAll(() => startTestEngine());

let folder: string;
let cacheFolder: string;
beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), 'cache-'));
  folder = join(cacheFolder, 'model');
});
afterEach(() => rm(cacheFolder, { recursive: true }));

const load = (path: string) => loadModel(path, { trainable: false, cacheFolder });

/** A copy of a golden model with its config or tensors changed. */
async function altered(
  name: string,
  config: (json: Record<string, unknown>) => void,
  tensors?: (list: SafetensorsInput[]) => SafetensorsInput[],
): Promise<void> {
  await cp(join(goldenModels, name), folder, { recursive: true });
  const json = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  config(json);
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
  if (!tensors) return;
  const file = await readSafetensors(join(folder, 'model.safetensors'));
  const list: SafetensorsInput[] = [];
  for (const [key, { shape }] of file.entries) list.push({ name: key, shape, values: await file.read(key) });
  await file.close();
  await writeSafetensors(join(folder, 'model.safetensors'), tensors(list));
}

async function message(): Promise<string> {
  const before = tf.memory().numTensors;
  const error: Error = await load(folder).then(
    () => new Error('accepted'),
    (reason: Error) => reason,
  );
  expect([error.message, error.name]).toEqual([error.message, 'UserError']);
  expect(tf.memory().numTensors).toBe(before);
  return error.message;
}

describe('saving', () => {
  test.each(['gemma3-multimodal', 'gemma3-old-config', 'gpt2-old-names', 'gpt2-switched', 'llama-dynamic', 'mistral'])(
    '%s, loaded, saved and loaded again',
    async (name) => {
      const { sequences } = await readGolden(name);
      const model = await load(join(goldenModels, name));
      const before = packedLogits(model, sequences);
      await saveModel(model, folder);
      disposeModel(model);
      const again = await load(folder);
      expect(packedLogits(again, sequences)).toEqual(before);
      expect(again.config).toEqual(model.config);
      const json = again.rawConfig;
      expect([json.torch_dtype ?? json.dtype, 'text_config' in json, 'vision_config' in json]).toEqual(['float32', false, false]);
      disposeModel(again);
    },
  );

  test('above the limit in shards that loading puts together again', async () => {
    const { sequences } = await readGolden('gpt2');
    const model = await load(join(goldenModels, 'gpt2'));
    const before = packedLogits(model, sequences);
    await saveModel(model, folder, 10_000);
    disposeModel(model);
    const files = (await readdir(folder)).filter((name) => name.startsWith('model'));
    expect(files.length).toBeGreaterThan(2);
    expect(files).not.toContain('model.safetensors');
    expect(files).toContain(`model-00001-of-${String(files.length - 1).padStart(5, '0')}.safetensors`);
    const again = await load(folder);
    expect(packedLogits(again, sequences)).toEqual(before);
    disposeModel(again);
  });

  test('keeps the files beside the weights, and nothing half written', async () => {
    const source = join(cacheFolder, 'source');
    await cp(join(goldenModels, 'gpt2'), source, { recursive: true });
    await cp(join(goldenModels, '..', 'tokenizers', 'byte-level'), source, { recursive: true });
    await writeFile(join(source, 'generation_config.json'), '{"eos_token_id": 0}');
    await mkdir(join(source, 'additional_chat_templates'));
    for (const name of ['chat_template.jinja', 'chat_template.json', 'additional_chat_templates/tool_use.jinja'])
      await writeFile(join(source, name), name);
    const model = await load(source);
    await saveModel(model, folder);
    disposeModel(model);
    expect((await readdir(folder)).sort()).toEqual([
      ...['additional_chat_templates', 'chat_template.jinja', 'chat_template.json'],
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(await readFile(join(folder, 'generation_config.json'), 'utf8')).toBe('{"eos_token_id": 0}');
    const named = 'additional_chat_templates/tool_use.jinja';
    expect(await readFile(join(folder, named), 'utf8')).toBe(named);
  });
});

test('fields of config.json that the architecture does not know are listed', async () => {
  await cp(join(goldenModels, 'llama'), folder, { recursive: true });
  const file = join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...config, lucky_number: 7 }));
  const lines: string[] = [];
  disposeModel(await loadModel(folder, { trainable: false, cacheFolder, warn: (line) => lines.push(line) }));
  expect(lines).toEqual([`${file}: fields without effect on this model: pretraining_tp, lucky_number`]);
});

describe('identity', () => {
  test('the same files give the same hash, another weight or config another', async () => {
    const hash = async (): Promise<string> => {
      const model = await load(folder);
      disposeModel(model);
      return model.contentHash;
    };
    await cp(join(goldenModels, 'gpt2'), folder, { recursive: true });
    const original = await hash();
    expect(await hash()).toBe(original);
    await rename(folder, `${folder}-moved`);
    await rename(`${folder}-moved`, folder);
    expect(await hash()).toBe(original);
    const bytes = await readFile(join(folder, 'model.safetensors'));
    bytes[bytes.length - 1] ^= 1;
    await writeFile(join(folder, 'model.safetensors'), bytes);
    const changed = await hash();
    expect(changed).not.toBe(original);
    await writeFile(join(folder, 'config.json'), `${await readFile(join(folder, 'config.json'), 'utf8')}\n`);
    expect(await hash()).not.toBe(changed);
  });
});

describe("PyTorch's own files hold the same model", () => {
  const torchGoldens = join(goldenModels, '..', 'torch');

  /** A golden model's folder with its safetensors taken out. */
  async function withoutSafetensors(name: string): Promise<void> {
    await cp(join(goldenModels, name), folder, { recursive: true });
    for (const file of await readdir(folder)) if (/^model.*safetensors/.test(file)) await rm(join(folder, file));
  }

  async function expectSameLogits(name: string): Promise<void> {
    const { sequences } = await readGolden(name);
    const original = await load(join(goldenModels, name));
    const pickled = await load(folder);
    expect(packedLogits(pickled, sequences)).toEqual(packedLogits(original, sequences));
    expect(pickled.contentHash).not.toBe(original.contentHash);
    disposeModel(original);
    disposeModel(pickled);
  }

  test('in one file of the old format, a head over the storage of the embedding', async () => {
    await withoutSafetensors('gpt2-old-names');
    await cp(join(torchGoldens, 'gpt2-old-names.bin'), join(folder, 'pytorch_model.bin'));
    await expectSameLogits('gpt2-old-names');
  });

  test('in zip shards of float16 with their index', async () => {
    await withoutSafetensors('gpt2-switched');
    await cp(join(torchGoldens, 'gpt2-switched'), folder, { recursive: true });
    await expectSameLogits('gpt2-switched');
    await rm(join(folder, 'pytorch_model-00002-of-00002.bin'));
    expect(await message()).toMatch(/pytorch_model.bin.index.json: names pytorch_model-00002-of-00002.bin, which is not in the folder/);
  });

  test('safetensors beside them come first', async () => {
    await altered('gpt2', () => {});
    await writeFile(join(folder, 'pytorch_model.bin'), 'damaged');
    disposeModel(await load(folder));
  });
});

describe('bad weights', () => {
  test('missing', async () => {
    await altered(
      'gpt2',
      () => {},
      (list) => list.filter(({ name }) => !name.endsWith('h.1.ln_1.bias')),
    );
    expect(await message()).toBe(`${folder}: weight transformer.h.1.ln_1.bias [12] is missing from its files`);
  });

  test('unknown', async () => {
    await altered(
      'gpt2',
      () => {},
      (list) => [...list, { name: 'transformer.h.1.ln_3.bias', shape: [2], values: new Float32Array(2) }],
    );
    expect(await message()).toMatch(
      /model.safetensors: unknown weight transformer.h.1.ln_3.bias \[2\].*nearest is transformer.h.1.ln_\d.bias \[12\]/,
    );
  });

  test('of the wrong shape', async () => {
    await altered('gemma3-text', (json) => (json.vocab_size = 41));
    expect(await message()).toBe(
      `${join(folder, 'model.safetensors')}: weight model.embed_tokens.weight has shape [40, 16], config.json makes it [41, 16]`,
    );
  });

  test('twice, under an old and a new name', async () => {
    await altered(
      'gpt2',
      () => {},
      (list) => [...list, { name: 'ln_f.bias', shape: [12], values: new Float32Array(12) }],
    );
    expect(await message()).toMatch(/both hold the weight transformer.ln_f.bias/);
  });

  test('in a shard that is not there, or outside the folder', async () => {
    await altered('gpt2-switched', () => {});
    await rm(join(folder, 'model-00002-of-00003.safetensors'));
    expect(await message()).toMatch(/index.json: names model-00002-of-00003.safetensors, which is not in the folder/);
    await writeFile(join(folder, 'model.safetensors.index.json'), '{"weight_map": {"a": "../x.safetensors"}}');
    expect(await message()).toMatch(/weight_map names "..\/x.safetensors"/);
    await writeFile(join(folder, 'model.safetensors.index.json'), '{}');
    expect(await message()).toMatch(/weight_map is missing or empty/);
  });

  test('an index that says otherwise than its files', async () => {
    await altered('gpt2-switched', () => {});
    const index = join(folder, 'model.safetensors.index.json');
    const json = JSON.parse(await readFile(index, 'utf8')) as { weight_map: Record<string, string> };
    json.weight_map['transformer.ln_f.bias'] = 'model-00001-of-00003.safetensors';
    await writeFile(index, JSON.stringify(json));
    expect(await message()).toMatch(/says that model-00001-of-00003.safetensors holds the tensor transformer.ln_f.bias, which it does not/);
  });

  test('not there at all', async () => {
    await altered('gpt2', () => {});
    await rm(join(folder, 'model.safetensors'));
    expect(await message()).toBe(
      `${folder}: holds no weights; it must hold one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json`,
    );
  });

  test('truncated', async () => {
    await altered('gpt2', () => {});
    const path = join(folder, 'model.safetensors');
    await writeFile(path, (await readFile(path)).subarray(0, 9000));
    expect(await message()).toMatch(/tensor .* ends at byte \d+, but the file has 9000 bytes: it is truncated or damaged/);
  });
});

test('weights that are not finite are loaded, counted and named', async () => {
  await altered(
    'gpt2',
    () => {},
    (list) =>
      list.map((tensor) => {
        if (!/h\.0\.ln_1\.(weight|bias)$/.test(tensor.name)) return tensor;
        return {
          ...tensor,
          values: Float32Array.from(tensor.values as Float32Array, (value, i) => [NaN, Infinity, -Infinity][i] ?? value),
        };
      }),
  );
  const lines: string[] = [];
  disposeModel(await loadModel(folder, { trainable: false, cacheFolder, warn: (line) => lines.push(line) }));
  const named = ['weight', 'bias'].map((part) => `transformer.h.0.ln_1.${part} (1 NaN, 2 infinite of 12)`).join(', ');
  expect(lines.at(-1)).toBe(
    `${folder}: 2 weights hold values that are not finite: ${named}; what the model computes will not be finite either`,
  );
});

test.each<[string, string, Record<string, unknown>, string | RegExp]>([
  [
    'an unknown architecture',
    'gpt2',
    { model_type: 'gpt22' },
    /config.json: unknown model_type "gpt22"; did you mean "gpt2"\?; known: .*gpt2/,
  ],
  ['no architecture', 'gpt2', { model_type: undefined }, /config.json: model_type is missing; it must be a string/],
  ['an unknown activation', 'gpt2', { activation_function: 'mish' }, /activation_function is "mish"; it must be one of gelu/],
  ['a negative size', 'gpt2', { n_embd: -4 }, /n_embd is -4; it must be a whole number above 0/],
  ['a huge size', 'gpt2', { n_embd: 2 ** 40 }, /n_embd is 1099511627776; it must be at most 2147483647/],
  ['more layers than any model has', 'gpt2', { n_layer: 1e9 }, /n_layer is 1000000000; it must be at most 10000/],
  ['heads that do not divide', 'gpt2', { n_head: 5 }, /n_embd is 12; it must be a multiple of n_head \(5\)/],
  ['cross-attention', 'gpt2', { add_cross_attention: true }, /add_cross_attention is true; it must be absent/],
  ['bidirectional attention', 'gemma3-text', { use_bidirectional_attention: true }, /use_bidirectional_attention is true/],
  ['an unknown layer type', 'gemma3-text', { layer_types: Array(7).fill('chunked_attention') }, /layer_types is "chunked_attention"/],
  ['too few layer types', 'gemma3-text', { layer_types: ['full_attention'] }, /layer_types is "a list of 1"; it must be a list of 7/],
  ['no window', 'gemma3-text', { sliding_window: null }, /sliding_window is null; it must be a whole number above 0/],
  ['key/value heads that do not divide', 'gemma3-text', { num_key_value_heads: 3 }, /num_attention_heads is 4; it must be a multiple/],
  [
    'a rotary scaling that is not known',
    'gemma3-old-config',
    { rope_scaling: { rope_type: 'yarn', factor: 2 } },
    /rope_scaling.rope_type is "yarn"; it must be default or linear/,
  ],
  [
    'flat rotary parameters',
    'gemma3-text',
    { rope_parameters: { rope_theta: 1e4 } },
    /rope_parameters.rope_theta is 10000; it must be absent/,
  ],
  ['a text_config that is no object', 'gemma3-multimodal', { text_config: 'x' }, /text_config is "x"; it must be an object/],
])('a config with %s', async (_, name, change, expected) => {
  await altered(name, (json) => Object.assign(json, change));
  expect(await message()).toMatch(expected);
});

test('a folder without config.json, with a damaged one, a file, nothing', async () => {
  await altered('gpt2', () => {});
  await writeFile(join(folder, 'config.json'), '{"model_type"');
  expect(await message()).toMatch(/config.json: not valid JSON/);
  await writeFile(join(folder, 'config.json'), '[]');
  expect(await message()).toMatch(/config.json: must hold a JSON object/);
  await rm(join(folder, 'config.json'));
  expect(await message()).toMatch(/cannot read .*config.json: no such file/);
  await rm(folder, { recursive: true });
  expect(await message()).toBe(`cannot read model folder ${folder}: no such file or folder`);
  await writeFile(folder, '');
  expect(await message()).toMatch(/is a file; a model is a folder/);
});

test('tokens and positions that the model has no embedding for', async () => {
  const model = await load(join(goldenModels, 'gpt2'));
  expect(() => packedHidden(model, pack([[1, 40]]))).toThrow(/token id 40 is beyond the embedding of .*gpt2: it has 40 rows/);
  expect(() => packedHidden(model, pack([[1, -1]]))).toThrow(/token id -1/);
  expect(() => packedHidden(model, pack([Array(33).fill(1)]))).toThrow(/at least 33 tokens is longer than the context of .*: 32 tokens/);
  disposeModel(model);
});
