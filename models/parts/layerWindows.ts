import { fieldError, flag, optionalList, positiveInteger, type ConfigSource } from '../configFields';

export const LAYER_TYPES = ['full_attention', 'sliding_attention'] as const;

/**
 * The sliding window of each layer (0: full attention) as `layer_types` says, or where the config has none, of those that `sliding` picks.
 * @param window of the sliding layers; undefined: none, switched off
 * @throws UserError for a list of another length, an unknown type, or a sliding layer without a window
 */
export function layerWindows(
  source: ConfigSource,
  layers: number,
  window: number | undefined,
  sliding: (layer: number) => boolean,
): number[] {
  const types = optionalList(source, 'layer_types', LAYER_TYPES, layers);
  if (!types) return Array.from({ length: layers }, (_, layer) => (window !== undefined && sliding(layer) ? window : 0));
  if (window === undefined && types.includes('sliding_attention')) {
    throw fieldError(
      source,
      'sliding_window',
      source.json.sliding_window ?? null,
      'a whole number above 0 where layer_types has sliding layers, and not switched off by use_sliding_window',
    );
  }
  return types.map((type) => (type === 'sliding_attention' ? window! : 0));
}

/** `sliding_window`: a null is not the default but none at all. @throws UserError */
export function slidingWindow(source: ConfigSource, fallback: number): number | undefined {
  return source.json.sliding_window === null ? undefined : positiveInteger(source, 'sliding_window', fallback);
}

/** Qwen 2's and 3's: full attention below `max_window_layers`, if `use_sliding_window` switches windows on at all. @throws UserError */
export function qwenWindows(source: ConfigSource, layers: number): number[] {
  const window = flag(source, 'use_sliding_window', false) ? slidingWindow(source, 4096) : undefined;
  const full = source.json.max_window_layers === 0 ? 0 : positiveInteger(source, 'max_window_layers', 28);
  return layerWindows(source, layers, window, (layer) => layer >= full);
}

/**
 * Gemma's and Cohere's: where the config has no `layer_types`, every `pattern`-th layer attends to all. Sliding layers need a window.
 * @throws UserError
 */
export function patternWindows(source: ConfigSource, layers: number, pattern: number): number[] {
  const types =
    optionalList(source, 'layer_types', LAYER_TYPES, layers) ??
    Array.from({ length: layers }, (_, layer) => LAYER_TYPES[(layer + 1) % pattern === 0 ? 0 : 1]);
  if (!types.includes('sliding_attention')) return types.map(() => 0);
  // a null is not the default: transformers has no window then, and refuses sliding layers
  if (source.json.sliding_window === null) throw fieldError(source, 'sliding_window', null, 'a whole number above 0');
  const window = positiveInteger(source, 'sliding_window', 4096);
  return types.map((type) => (type === 'sliding_attention' ? window : 0));
}
