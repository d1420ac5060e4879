import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ANY_TASK, readConfigFile } from '../../models/readConfig';

const root = mkdtempSync(join(tmpdir(), 'quantized-'));
const file = join(root, 'config.json');
const goldens = join(__dirname, '../goldens');
const configs = ['models', 'classifiers', 'encoderDecoders'].flatMap((kind) =>
  readdirSync(join(goldens, kind))
    .map((name) => join(goldens, kind, name, 'config.json'))
    .filter(existsSync),
);
const read = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const withFields = (path: string, fields: Record<string, unknown>) => {
  writeFileSync(file, JSON.stringify({ ...read(path), ...fields }));
  return readConfigFile(file, ANY_TASK);
};
const gpt2 = join(goldens, 'models/gpt2/config.json');

afterAll(() => rmSync(root, { recursive: true, force: true }));

// what published checkpoints of each kind have in their config.json
test.each<[string, Record<string, unknown>, string]>([
  [
    'bitsandbytes, 4 bits',
    { quant_method: 'bitsandbytes', load_in_4bit: true, load_in_8bit: false, bnb_4bit_quant_type: 'nf4' },
    'bitsandbytes in 4 bits',
  ],
  ['bitsandbytes of old, 8 bits', { load_in_8bit: true, llm_int8_threshold: 6 }, 'bitsandbytes in 8 bits'],
  ['GPTQ', { quant_method: 'gptq', bits: 4, group_size: 128, desc_act: false }, 'gptq in 4 bits'],
  ['AWQ', { quant_method: 'awq', bits: 4, zero_point: true, version: 'gemm' }, 'awq in 4 bits'],
  ['fp8', { quant_method: 'fp8', fmt: 'e4m3', weight_block_size: [128, 128] }, 'fp8'],
  ['mxfp4', { quant_method: 'mxfp4', modules_to_not_convert: ['lm_head'] }, 'mxfp4'],
  ['none that is named', { bits: 4 }, 'a method that it does not name in 4 bits'],
])('%s is refused by its name', async (_, quantization_config, kind) => {
  const line = (field: string) =>
    `${file}: ${field} says that its weights are stored by ${kind}, which is not read; give the model as it was before (--quantization nf4 keeps that in 4 bits)`;
  await expect(withFields(gpt2, { quantization_config })).rejects.toMatchObject({
    name: 'UserError',
    message: line('quantization_config'),
  });
  const multimodal = join(goldens, 'models/gemma3-multimodal/config.json');
  const text_config = { ...(read(multimodal).text_config as object), quantization_config };
  await expect(withFields(multimodal, { text_config })).rejects.toThrow(line('text_config.quantization_config'));
});

test('every architecture refuses it, and the older name of the field', async () => {
  expect(configs.length).toBeGreaterThan(25);
  for (const path of configs) {
    await expect(withFields(path, { quantization_config: { quant_method: 'gptq', bits: 4 } })).rejects.toThrow('stored by gptq in 4 bits');
    await expect(withFields(path, { compression_config: { quant_method: 'compressed-tensors' } })).rejects.toThrow(
      'compression_config says that its weights are stored by compressed-tensors',
    );
  }
});

test.each([null, undefined, { quant_method: 'bitsandbytes', load_in_4bit: false, load_in_8bit: false, bnb_4bit_quant_type: 'fp4' }])(
  'weights that are as they were: %j is no hindrance, and no news',
  async (quantization_config) => {
    expect((await withFields(gpt2, { quantization_config })).unread).toEqual((await readConfigFile(gpt2)).unread);
  },
);

test('a field that is no object', async () => {
  await expect(withFields(gpt2, { quantization_config: 'gptq' })).rejects.toThrow('quantization_config is "gptq"; it must be an object');
});
