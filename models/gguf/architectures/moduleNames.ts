/** Names of weights and biases by those of their modules, each with `prefix` before it. @param modules GGUF's names by Hugging Face's */
export function weightsAndBiases(
  modules: Readonly<Record<string, string>>,
  prefix: { hf: string; gguf: string } = { hf: '', gguf: '' },
): Record<string, string> {
  const names = Object.entries(modules).flatMap(([hf, gguf]) =>
    ['weight', 'bias'].map((kind) => [`${prefix.hf}${hf}.${kind}`, `${prefix.gguf}${gguf}.${kind}`]),
  );
  return Object.fromEntries(names) as Record<string, string>;
}
