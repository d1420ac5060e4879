import type { LoraModule } from './types';

/** PEFT's name of a module's DoRA magnitudes. */
export const magnitudeName = (module: string): string => `base_model.model.${module}.lora_magnitude_vector`;

/** PEFT's names of a module's two matrices. */
export const loraName = ({ name, kind }: Pick<LoraModule, 'name' | 'kind'>, matrix: 'A' | 'B'): string =>
  `base_model.model.${name}.${kind === 'embedding' ? `lora_embedding_${matrix}` : `lora_${matrix}.weight`}`;

/** PEFT's name of a weight that an adapter holds whole. */
export const copyName = (weight: string): string => `base_model.model.${weight}`;
