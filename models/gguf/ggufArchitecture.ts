import type { Metadata } from './metadata';

/**
 * What is done to a tensor's values on the way from GGUF to Hugging Face. `rows` says which row of the GGUF tensor becomes row `row`;
 * of a bias, which value.
 */
export type TensorChange = 'none' | 'subtractOne' | 'transpose' | { readonly rows: (row: number) => number };

/** What an architecture may look at to describe a file. */
export interface GgufHeader {
  metadata: Metadata;
  /** `general.architecture`, which its metadata keys begin with. */
  architecture: string;
  tensors: ReadonlySet<string>;
  /** The values of a (small) tensor. */
  values: (tensor: string) => Float32Array;
}

/** How one file maps to a Hugging Face checkpoint. */
export interface GgufMapping {
  /** GGUF names by Hugging Face names; `N` stands for a layer's number. */
  names: Readonly<Record<string, string>>;
  /** What is done to a tensor, by its GGUF name; absent: nothing. */
  change?: (ggufName: string) => TensorChange;
  /** config.json without vocabulary, special tokens and head, which every architecture has alike. */
  config: Record<string, unknown> & { model_type: string };
  /** Tensors that are no weights: the config says what they say. */
  described?: readonly string[];
}

/** An architecture of GGUF files. @throws UserError naming the file and the metadata entry or tensor */
export type GgufArchitecture = (header: GgufHeader) => GgufMapping;
