type Json = Readonly<Record<string, unknown>>;

/** A config whose reads are watched. */
export interface WatchedConfig {
  /** The same fields; nested objects are watched too. */
  json: Json;
  /** Fields that nothing has asked for so far and that might be thought to matter, by path: `moe.experts`. */
  unread(): string[];
}

/**
 * What every config of transformers may hold and no forward pass depends on: where the config comes from, how weights are drawn and stored,
 * token ids (the tokenizer's business), how a model is trained or what else a call may return. `quantization_config`: readConfig refuses any that says
 * something of the weights.
 */
const BOOKKEEPING =
  /^(_.*|architectures|auto_map|model_type|transformers_version|(torch_)?dtype|use_cache|cache_implementation|initializer_\w+|(bos|eos|pad|sep|cls|mask|unk|decoder_start)_token_id|\w*(dropout|pdrop)\w*|output_(attentions|hidden_states|scores)|return_dict\w*|use_return_dict|gradient_checkpointing|task_specific_params|problem_type|(id2label|label2id)|finetuning_task|tokenizer_class|quantization_config|compression_config)$/;

/** Watches which fields of a config an architecture reads, so that those it does not know can be listed. Null and false ask for nothing. */
export function watchReads(json: Json): WatchedConfig {
  const read = new Set<string>();
  const nested = new Map<string, WatchedConfig>();
  const handler: ProxyHandler<Json> = {
    get: (target, key) => {
      const value = target[key as string];
      if (typeof key === 'string') read.add(key);
      if (typeof key !== 'string' || !isObject(value)) return value;
      const inner = nested.get(key) ?? watchReads(value);
      nested.set(key, inner);
      return inner.json;
    },
  };
  const unread = (): string[] =>
    Object.entries(json).flatMap(([key, value]) => {
      if (read.has(key)) return (nested.get(key)?.unread() ?? []).map((inner) => `${key}.${inner}`);
      return value === null || value === false || BOOKKEEPING.test(key) ? [] : [key];
    });
  return { json: new Proxy(json, handler), unread };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
