import type { PickleValue } from './pickleValue';

/** A PyTorch checkpoint taken apart: what its pickle says, and where the storages' bytes lie in the file. */
export interface TorchContainer {
  value: PickleValue;
  /** By the storage's key; undefined for one that is not there. */
  locate(key: string): { start: number; bytes: number } | undefined;
}
