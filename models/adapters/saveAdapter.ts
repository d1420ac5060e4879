import { join } from 'node:path';
import { currentEngine } from '../../engine/engine';
import { writeAtomic } from '../../util/files';
import { transposed } from '../floats';
import { writeSafetensors, type SafetensorsInput } from '../safetensors';
import { CONFIG_FILE, WEIGHTS_FILE } from './adapterConfig';
import { BASE_HASH, BASE_QUANTIZATION } from './loadAdapter';
import { copyName, loraName } from './tensorNames';
import type { Adapter } from './types';
import { namingBoth } from './weightTying';

/** Writes an adapter as PEFT does: adapter_model.safetensors, then adapter_config.json. @throws UserError */
export async function saveAdapter(adapter: Adapter, folder: string): Promise<void> {
  const { config, weights, baseHash, trainedOn } = adapter;
  const engine = currentEngine();
  const tensors = Object.entries(weights).map(([name, weight]) => ({
    name,
    shape: weight.shape,
    values: () => engine.readParameter(weight),
  }));
  await writeSafetensors(join(folder, WEIGHTS_FILE), [...tensors, ...tiedTensors(adapter)], {
    format: 'pt',
    [BASE_HASH]: baseHash,
    ...(trainedOn !== undefined && { [BASE_QUANTIZATION]: trainedOn }),
  });
  await writeAtomic(join(folder, CONFIG_FILE), `${JSON.stringify(namingBoth(config, adapter), null, 2)}\n`);
}

/** What PEFT stores of a tied head beside its embedding's. */
function tiedTensors({ modules, copies, tied }: Adapter): SafetensorsInput[] {
  if (!tied) return [];
  const engine = currentEngine();
  const copy = copies[`${tied.embedding}.weight`];
  if (copy) return [{ name: copyName(`${tied.head}.weight`), shape: copy.shape, values: () => engine.readParameter(copy) }];
  const head = modules.find(({ isTied }) => isTied)!;
  return (['a', 'b'] as const).map((key) => {
    const [rows, columns] = head[key].shape;
    return {
      name: loraName(head, key === 'a' ? 'A' : 'B'),
      shape: [columns, rows],
      values: () => transposed(engine.readParameter(head[key]), rows, columns),
    };
  });
}
