/** One report of long work; `bin/` draws it as a bar on a terminal and as plain lines elsewhere. */
export interface ProgressEvent {
  /** What is going on, e.g. `reference log-probabilities`. */
  stage: string;
  done: number;
  total: number;
  /** Figures to show beside the bar, e.g. `{loss: 0.693, 'pairs/s': 4.1}`. */
  fields?: Readonly<Record<string, number | string>>;
}

export type Progress = (event: ProgressEvent) => void;

/** Swallows progress. */
export const silent: Progress = () => {};
