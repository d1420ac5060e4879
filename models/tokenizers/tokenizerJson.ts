/** A tokenizer.json with its parts; what is not given is null or empty, as in a tokenizer that has no such part. */
export function tokenizerJson(parts: {
  model: object;
  decoder: object;
  normalizer: object | null;
  pre_tokenizer: object | null;
  post_processor?: object;
  added_tokens?: readonly object[];
}): Record<string, unknown> {
  return { version: '1.0', truncation: null, padding: null, added_tokens: [], post_processor: null, ...parts };
}
