import { positiveInteger } from './configFields';
import { cohereDecoder, cohereFields } from './parts/cohereDecoder';
import { patternWindows } from './parts/layerWindows';

/** Command R7B and Aya's successors, as transformers' `Cohere2ForCausalLM`: sliding layers turn, full ones know no positions. */
export const cohere2 = cohereDecoder('cohere2', (source) => {
  const shared = cohereFields(source, 'cohere2', 10_000);
  const windows = patternWindows(source, shared.layers, positiveInteger(source, 'sliding_window_pattern', 4));
  return { ...shared, headNorms: false, layerWindows: windows, turningLayers: windows.map((window) => window > 0) };
});
