import { silent, type Progress } from '../../util/progress';
import { loadModel, type LoadOptions } from '../loadModel';
import { readConfig } from '../readConfig';
import type { Classifier, ClassifierConfig } from './types';

/**
 * Loads a folder with a sequence classifier onto the current engine. Free it with `disposeClassifier`.
 * @throws UserError as `loadModel`, and for a model of another kind
 */
export async function loadClassifier(
  folder: string,
  options: Omit<LoadOptions, 'tasks'>,
  progress: Progress = silent,
): Promise<Classifier> {
  // the config says which kind it is: `loadModel` has checked that
  return (await loadModel(folder, { ...options, tasks: ['classification'] }, progress)) as unknown as Classifier;
}

/** Frees a classifier's weights. */
export function disposeClassifier(model: Classifier): void {
  Object.values(model.weights).forEach((weight) => weight.dispose());
}

/** A classifier's parsed config, without its weights. @throws UserError */
export async function readClassifierConfig(folder: string): Promise<ClassifierConfig> {
  return (await readConfig(folder, ['classification'])).config as ClassifierConfig;
}
