import { UserError } from '../../util/errors';
import { lookup } from '../../util/suggest';
import { architectureFor } from '../registry';
import type { TensorChange } from './ggufArchitecture';
import { GGUF_ARCHITECTURES } from './ggufArchitectures';
import { metadataOf } from './metadata';
import type { GgufFile, GgufTensor } from './readGguf';
import { sameBytes, tensorValues } from './tensorBytes';

/** One weight to write: where it comes from, what it becomes. */
export interface PlannedTensor {
  name: string;
  shape: readonly number[];
  source: GgufTensor;
  change: TensorChange;
}

/** Everything that is decided about an import before a byte is written. */
export interface ImportPlan {
  architecture: string;
  config: Record<string, unknown>;
  tensors: PlannedTensor[];
}

/**
 * Maps a GGUF file to a Hugging Face config and weight list, and checks every name and shape against the model that will load them.
 * @throws UserError naming the file and the unknown architecture, missing metadata, missing or unknown tensor, or wrong shape
 */
export function planImport(gguf: GgufFile): ImportPlan {
  const { path } = gguf;
  const metadata = metadataOf(gguf);
  const architecture = metadata.text('general.architecture');
  const describe = lookup(GGUF_ARCHITECTURES, architecture, `GGUF architecture in ${path}`);
  const byName = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]));
  const embedding = byName.get('token_embd.weight');
  if (embedding?.shape.length !== 2)
    throw new UserError(
      `${path}: ${embedding ? `token_embd.weight has shape [${embedding.shape}]` : 'no tensor token_embd.weight'}; it must be a matrix`,
    );
  const vocabulary = embedding.shape[0];
  const head = byName.get('output.weight');
  const tied = !head || sameBytes(path, head, embedding);
  const mapping = describe({
    metadata,
    architecture,
    tensors: new Set(byName.keys()),
    values: (name) => tensorValues(path, byName.get(name)!),
  });
  const config: Record<string, unknown> = {
    ...mapping.config,
    vocab_size: vocabulary,
    tie_word_embeddings: tied,
    bos_token_id: metadata.tokenId('tokenizer.ggml.bos_token_id', vocabulary) ?? null,
    eos_token_id: metadata.tokenId('tokenizer.ggml.eos_token_id', vocabulary) ?? null,
    pad_token_id: metadata.tokenId('tokenizer.ggml.padding_token_id', vocabulary) ?? null,
  };
  const model = architectureFor(mapping.config.model_type, path);
  const shapes = model.weightShapes(model.parseConfig(config, path));
  const used = new Set<string>([...(mapping.described ?? []), ...(tied ? ['output.weight'] : [])]);
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const ggufName = ggufNameOf(name, mapping.names);
    const source = byName.get(ggufName);
    if (!source) throw new UserError(`${path}: tensor ${ggufName} is missing (${name}, shape [${shape}])`);
    const change = mapping.change?.(ggufName) ?? 'none';
    const found = change === 'transpose' ? [...source.shape].reverse() : source.shape;
    if (found.join() !== shape.join()) {
      const allowed = change === 'transpose' ? [...shape].reverse() : shape;
      throw new UserError(`${path}: tensor ${ggufName} has shape [${source.shape}]; its metadata call for [${allowed}]`);
    }
    used.add(ggufName);
    return { name, shape, source, change };
  });
  const stranger = gguf.tensors.find(({ name }) => !used.has(name));
  if (stranger)
    throw new UserError(
      `${path}: tensor ${stranger.name} [${stranger.shape}] has no place in a ${architecture} model of ${shapesLayers(config)} layers`,
    );
  return { architecture, config, tensors };
}

function shapesLayers(config: Record<string, unknown>): string {
  return String(config.num_hidden_layers ?? config.n_layer);
}

/** `blk.3.attn_q.weight` for `model.layers.3.self_attn.q_proj.weight`. */
function ggufNameOf(name: string, names: Readonly<Record<string, string>>): string {
  const layer = /\.(\d+)\./.exec(name)?.[1];
  const pattern = names[layer === undefined ? name : name.replace(`.${layer}.`, '.N.')];
  if (pattern === undefined) throw new Error(`internal: no GGUF name for ${name}`);
  return layer === undefined ? pattern : pattern.replace('.N.', `.${layer}.`);
}
