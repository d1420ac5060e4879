import { isDeepStrictEqual } from 'node:util';
import type { Message } from '../models/chatTemplate';

/**
 * The prompt that two whole conversations share, and how each goes on: TRL's `extract_prompt`. At least one message stays on each
 * side; the prompt is empty where the first messages differ.
 */
export function extractPrompt(
  chosen: readonly Message[],
  rejected: readonly Message[],
): { prompt: readonly Message[]; chosen: readonly Message[]; rejected: readonly Message[] } {
  const most = Math.min(chosen.length, rejected.length) - 1;
  let shared = 0;
  while (shared < most && isDeepStrictEqual(chosen[shared], rejected[shared])) shared++;
  return { prompt: chosen.slice(0, shared), chosen: chosen.slice(shared), rejected: rejected.slice(shared) };
}
