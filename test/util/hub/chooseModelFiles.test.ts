import { chooseModelFiles } from '../../../util/hub/chooseModelFiles';

const beside = [
  'additional_chat_templates/rag.jinja',
  'config.json',
  'generation_config.json',
  'merges.txt',
  'tokenizer.json',
  'tokenizer.model',
  'chat_template.jinja',
];
const left = ['README.md', '.gitattributes', 'onnx/model.onnx', 'original/params.json', 'tf_model.h5', 'flax_model.msgpack'];
const chosen = (...paths: string[]): string[] => chooseModelFiles([...beside, ...left, ...paths], 'o/n').sort();

test('safetensors before pickled weights, each with its own index alone', () => {
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json'];
  const pickled = ['pytorch_model.bin', 'pytorch_model.bin.index.json'];
  expect(chosen(...shards, ...pickled, 'consolidated.safetensors', 'model.fp16.safetensors')).toEqual([...beside, ...shards].sort());
  expect(chosen('model.safetensors', ...pickled)).toEqual([...beside, 'model.safetensors'].sort());
  expect(chosen(...pickled)).toEqual([...beside, ...pickled].sort());
});

test('an adapter needs no config.json', () => {
  expect(chooseModelFiles(['adapter_config.json', 'adapter_model.safetensors', 'README.md'], 'o/n')).toEqual([
    'adapter_config.json',
    'adapter_model.safetensors',
  ]);
});

test('without weights, or without a config: one line', () => {
  expect(() => chosen('gemma-q4.gguf')).toThrow(
    /^o\/n holds no weights in model\.safetensors or .* \(found: onnx\/model\.onnx, tf_model\.h5, flax_model\.msgpack, gemma-q4\.gguf\); download gemma-q4\.gguf and give it to dpo-import$/,
  );
  expect(() => chooseModelFiles(['model.safetensors'], 'o/n')).toThrow('o/n holds no config.json');
});
