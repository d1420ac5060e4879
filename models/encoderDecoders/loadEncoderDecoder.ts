import { silent, type Progress } from '../../util/progress';
import { loadModel, type LoadOptions } from '../loadModel';
import type { EncoderDecoder } from './types';

/**
 * Loads a folder with an encoder-decoder onto the current engine, frozen. Free it with `disposeEncoderDecoder`.
 * @throws UserError as `loadModel`, and for a model of another kind
 */
export async function loadEncoderDecoder(
  folder: string,
  options: Omit<LoadOptions, 'tasks' | 'trainable'>,
  progress: Progress = silent,
): Promise<EncoderDecoder> {
  // the config says which kind it is: `loadModel` has checked that
  return (await loadModel(folder, { ...options, trainable: false, tasks: ['encoder-decoder'] }, progress)) as unknown as EncoderDecoder;
}

/** Frees an encoder-decoder's weights. */
export function disposeEncoderDecoder(model: EncoderDecoder): void {
  Object.values(model.weights).forEach((weight) => weight.dispose());
}
