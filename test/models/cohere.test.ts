import { join } from 'node:path';
import { linearModules } from '../../models/adapters/adaptableModules';
import { cohere } from '../../models/cohere';
import { cohere2 } from '../../models/cohere2';
import { disposeModel, loadModel } from '../../models/loadModel';
import { goldenModels, packedLogits, relativeError } from './goldens';
import { startTestEngine } from './testEngine';

const parse = (json: object) => cohere.parseConfig({ model_type: 'cohere', ...json }, 'config.json');
const parse2 = (json: object) => cohere2.parseConfig({ model_type: 'cohere2', ...json }, 'config.json');

const parameters = (shapes: Readonly<Record<string, readonly number[]>>): number =>
  Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((product, size) => product * size), 0);

test("Aya 23 8B's own file", () => {
  const config = parse({
    attention_bias: false,
    hidden_act: 'silu',
    hidden_size: 4096,
    intermediate_size: 14336,
    layer_norm_eps: 1e-5,
    logit_scale: 0.0625,
    max_position_embeddings: 8192,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    rope_theta: 10000,
    torch_dtype: 'float16',
    use_qk_norm: false,
    vocab_size: 256000,
  });
  expect(parameters(cohere.weightShapes(config))).toBe(8_028_033_024);
  expect([config.rotary.base, config.logitScale, config.tiedHead, config.windows]).toEqual([10000, 0.0625, true, []]);
});

test("Command R7B's own file", () => {
  const json = {
    hidden_size: 4096,
    intermediate_size: 14336,
    logit_scale: 0.25,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    rope_theta: 50000,
    sliding_window: 4096,
    sliding_window_pattern: 4,
    vocab_size: 256000,
  };
  const config = parse2(json);
  expect(config.layerWindows.slice(0, 5)).toEqual([4096, 4096, 4096, 0, 4096]);
  expect(config.turningLayers.slice(0, 5)).toEqual([true, true, true, false, true]);
  const types = Array.from({ length: 32 }, (_, layer) => ((layer + 1) % 4 === 0 ? 'full_attention' : 'sliding_attention'));
  const { rope_theta, sliding_window_pattern, ...rest } = json;
  expect(sliding_window_pattern).toBe(4);
  expect(parse2({ ...rest, layer_types: types, rope_parameters: { rope_type: 'default', rope_theta } })).toEqual(config);
});

test('what is absent means what it means to transformers', () => {
  expect([parse({}).rotary.base, parse2({}).rotary.base]).toEqual([500_000, 10_000]);
  expect(parse({}).keyValueHeads).toBe(64);
  expect(parse({ num_key_value_heads: null })).toEqual(parse({}));
});

test.each([
  [parse, { hidden_size: 30, num_attention_heads: 4 }, /hidden_size is 30; it must be a multiple of num_attention_heads \(4\)/],
  [parse, { num_key_value_heads: 3 }, /num_attention_heads is 64; it must be a multiple of num_key_value_heads \(3\)/],
  [parse, { logit_scale: -1 }, /logit_scale is -1/],
  [parse2, { sliding_window: null }, /sliding_window is null/],
  [parse2, { layer_types: ['chunked_attention'], num_hidden_layers: 1 }, /layer_types is "chunked_attention"/],
])('refused: %p %j', (read, json, message) => {
  expect(() => read(json)).toThrow(message);
});

test('a norm of each head is no linear layer: no adapter goes on it, and it is kept whole in a model of 4 bits', async () => {
  await startTestEngine();
  const folder = join(goldenModels, 'cohere');
  const whole = await loadModel(folder, { trainable: false });
  const names = linearModules(cohere, whole.config).map(({ name }) => name.replace(/.*layers\.\d+\./, ''));
  expect([...new Set(names)].sort()).toEqual(
    ['k', 'o', 'q', 'v']
      .map((part) => `self_attn.${part}_proj`)
      .concat(['down', 'gate', 'up'].map((part) => `mlp.${part}_proj`))
      .sort(),
  );
  const packed = await loadModel(folder, { trainable: false, quantization: { type: 'nf4', double: false } });
  const [wanted, found] = [whole, packed].map((model) => packedLogits(model, [[3, 1, 4, 1, 5]]));
  expect(relativeError(found, wanted)).toBeLessThan(0.4);
  [whole, packed].forEach(disposeModel);
});
