import { UserError } from '../errors';

/** Beside the weights: configuration, tokenizer, chat template, adapter settings. */
const BESIDE = /^[^/]+\.(json|model|jinja)$|^additional_chat_templates\/[^/]+\.jinja$|^(merges|vocab)\.txt$/;

/** Weights of one kind: the files themselves, by name. The first kind that a repository has is taken. */
const WEIGHTS = [
  /^model(-\d+-of-\d+)?\.safetensors$/,
  /^adapter_model\.safetensors$/,
  /^pytorch_model(-\d+-of-\d+)?\.bin$/,
  /^adapter_model\.bin$/,
];

/**
 * The files of a model repository that a run reads: one set of weights (safetensors before pickled ones) and all that belongs to it.
 * Other frameworks' weights, other precisions and folders such as `onnx/` stay on the hub.
 * @throws UserError where there are no weights that can be read, naming what there is
 */
export function chooseModelFiles(paths: readonly string[], name: string): string[] {
  const weights = WEIGHTS.map((pattern) => paths.filter((path) => pattern.test(path))).find((found) => found.length > 0);
  if (!weights) {
    const gguf = paths.find((path) => path.endsWith('.gguf'));
    const hint = gguf === undefined ? '' : `; download ${gguf} and give it to dpo-import`;
    const found = paths.filter((path) => /\.(bin|safetensors|gguf|h5|msgpack|onnx|pt|pth)$/.test(path)).slice(0, 6);
    throw new UserError(
      `${name} holds no weights in model.safetensors or pytorch_model.bin, whole or in shards (found: ${found.join(', ') || 'no weights'})${hint}`,
    );
  }
  const kind = /^(adapter_)?/.exec(weights[0])![0];
  // an index of the kind left behind would name shards that are not there
  const otherIndex = weights[0].endsWith('.bin') ? 'safetensors.index.json' : 'bin.index.json';
  const beside = paths.filter((path) => BESIDE.test(path) && !path.endsWith(otherIndex));
  if (kind === 'adapter_' || beside.includes('config.json')) return [...beside, ...weights];
  throw new UserError(`${name} holds no config.json: it is no model in Hugging Face layout`);
}
