import type { AttentionLayout } from '../engine/ops/attentionIndex';
import type { Message } from '../models/chatTemplate';

/** A prompt with a preferred and a dispreferred completion, as text. */
export interface PreferencePair {
  prompt: string;
  chosen: string;
  rejected: string;
}

/** A pair in TRL's conversational format: the turns so far, and two ways to go on. */
export interface ConversationPair {
  prompt: readonly Message[];
  chosen: readonly Message[];
  rejected: readonly Message[];
  /** What else the template is given: `tools` and `chat_template_kwargs` of the line. */
  tools?: readonly unknown[];
  templateVariables?: Readonly<Record<string, unknown>>;
}

/** A pair as the user's file holds it. */
export type ReadPair = PreferencePair | ConversationPair;

/** A conversation as a chat template writes it, special tokens and all: the prompt up to the assistant's turn, and both whole texts. */
export interface RenderedPair {
  prompt: string;
  promptChosen: string;
  promptRejected: string;
}

/** A pair as token ids: the prompt with its beginning-of-sequence token, completions with their end-of-sequence token. */
export interface TokenizedPair {
  prompt: Int32Array;
  chosen: Int32Array;
  rejected: Int32Array;
}

/**
 * B pairs in one row of T tokens without padding: for each pair its prompt once, then chosen, then rejected.
 * Log-probabilities are needed for completion tokens alone: target n is predicted from row `predictors[n]`.
 */
export interface PackedBatch {
  pairs: number;
  /** [T] */
  tokens: Int32Array;
  /** [T]: place in its sequence; a rejected completion goes on where the prompt ended. */
  positions: Int32Array;
  layout: AttentionLayout;
  /** [N]: the row whose hidden state predicts target n. The last prompt row predicts two: first chosen and first rejected. */
  predictors: Int32Array;
  /** [N]: token ids to be predicted; all chosen completions (pair after pair), then all rejected ones. */
  targets: Int32Array;
  /** [N]: the sequence of target n: b for pair b's chosen completion, B + b for its rejected one; where tails are split off theirs is 2 B + 1 later. */
  sequences: Int32Array;
}
