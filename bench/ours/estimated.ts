import { startEngine } from '../../engine/startEngine';
import { readConfigFile } from '../../models/readConfig';
import { resolveEstimateConfig, type EstimateConfig } from '../../trainer/estimateConfig';
import type { Clock } from './program';

/** What the programs are told that hold dpo-estimate against real steps. */
export interface EstimatedOptions {
  /** A config.json. */
  model: string;
  /** dpo-estimate's options. */
  given: Readonly<Record<string, unknown>>;
  clock: Clock;
  runs: number;
  warmup: number;
}

/** Reads the options that the command line gives as JSON, and the model's config, and starts the torch engine. */
export async function startEstimated() {
  const given = JSON.parse(process.argv[2]) as Partial<EstimatedOptions>;
  const options = { given: {}, clock: 'wall', runs: 4, warmup: 1, ...given } as EstimatedOptions;
  const { architecture, config } = await readConfigFile(options.model);
  const estimate: EstimateConfig = resolveEstimateConfig({ model: options.model, measure: true, ...options.given });
  await startEngine({ engine: 'torch', device: estimate.device, precision: estimate.precision });
  return { options, architecture, config, estimate };
}
