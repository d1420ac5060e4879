/** A tensor that a file holds. */
export interface StoredTensor {
  /** As safetensors spells it: F32, F16, BF16, I64, … */
  dtype: string;
  shape: readonly number[];
  /** Equal for two tensors of one file that are the same values in the same place (tied weights that a pickle stores twice). */
  place?: string;
}

/** An open file of weights: what it holds is known and checked, its tensors are read one by one when asked for. */
export interface TensorFile {
  path: string;
  /** By name, in the file's order. */
  entries: ReadonlyMap<string, StoredTensor>;
  /** The values of an F32, F16 or BF16 tensor. @throws UserError for a name that is not there or another dtype */
  read(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}
